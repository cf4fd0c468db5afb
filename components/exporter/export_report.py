"""What is known of each variant of an export: `export.json` next to the files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from tfx.dsl.io import fileio

SCHEMA = 1
NAME = "export.json"

_NOISE = 1.05
"""Two measurements of one model side by side differ by less than this factor."""

_CLOCK_MS = 0.01
"""And by less than this, however fast the model is: reading the clock and calling the runtime take as long."""


def folder_bytes(folder: str) -> int:
    """Returns the bytes of all files below the folder but the warm-up and golden requests and the manifest."""
    return sum(
        fileio.open(os.path.join(base, name), "rb").size()
        for base, _, names in fileio.walk(folder)
        for name in names
        if not base.endswith("assets.extra") and name != "manifest.json"
    )


def describe_saved_model(path: str, latency: dict[str, float]) -> dict[str, Any]:
    """Returns what the variants are compared with."""
    return {"bytes": folder_bytes(path), "latency_ms": latency}


def finish(folder: str, report: dict[str, Any]) -> None:
    """Adds the comparisons with the SavedModel and with float32, and writes the report."""
    for figures in report["variants"].values():
        figures["ratio_to_saved_model"] = round(figures["bytes"] / report["saved_model"]["bytes"], 4)
    note_comparisons(report["variants"])
    write_report(folder, report)


def note_comparisons(variants: dict[str, dict[str, Any]]) -> None:
    """Adds to each variant's `notes` where it is larger than float32, or slower by more than noise."""
    plain = variants.get("float32")
    for name, figures in variants.items():
        if plain is None or name == "float32":
            continue
        if figures["bytes"] > plain["bytes"]:
            figures["notes"].append(f"larger than float32: {figures['bytes']:,} bytes against {plain['bytes']:,}")
        mine, other = figures["latency_ms"]["median"], plain["latency_ms"]["median"]
        if mine > other * _NOISE + _CLOCK_MS:
            figures["notes"].append(f"slower than float32: {mine:.3f} ms against {other:.3f}")


def write_report(folder: str, report: dict[str, Any]) -> None:
    """Writes `export.json` into the folder."""
    with fileio.open(os.path.join(folder, NAME), "w") as file:
        file.write(json.dumps({"schema": SCHEMA} | report, indent=2, ensure_ascii=False) + "\n")


def write_failed(folder: str, report: dict[str, Any], variants: Iterable[str], error: Exception) -> dict[str, Any]:
    """Empties the folder but for a report that none of the variants could be converted; returns the report."""
    fileio.rmtree(folder)
    fileio.makedirs(folder)
    failed = report | {"variants": {}, "failed": dict.fromkeys(variants, str(error) or type(error).__name__)}
    write_report(folder, failed)
    return failed


def read_report(folder: str) -> dict[str, Any]:
    """Returns what `write_report` wrote."""
    with fileio.open(os.path.join(folder, NAME), "r") as file:
        report: dict[str, Any] = json.load(file)
    return report


def summarize(report: dict[str, Any]) -> Iterator[str]:
    """Yields one line per variant, for logs and summaries; `failed` has those that could not be converted."""
    for name, figures in report["variants"].items():
        size = f"{figures['bytes']:,} bytes"
        if figures["kept"]:
            notes = f" ({'; '.join(figures['notes'])})" if figures["notes"] else ""
            yield f"{report['format']} {name}: {size}, differs by at most {figures['parity']['difference']:.2g}{notes}"
        else:
            yield f"{report['format']} {name}: refused: {'; '.join(figures['reasons'])}"
    for name, reason in report.get("failed", {}).items():
        yield f"{report['format']} {name}: skipped: {reason}"
