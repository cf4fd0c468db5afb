"""`python -m benchmarks.export`: trains the digits model dense and pruned, exports it, writes RESULTS.md here.

The figures are those that the exporters measured while they made the files: each variant's latency in turn with the
others in one process, on evaluation rows.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine

_COLUMNS = (
    "variant", "bytes", "gzipped", "of float32", "load ms", "median ms", "p95 ms", "memory", "largest difference",
    "accuracy",
)  # fmt: skip
RESULTS = Path(__file__).parent / "RESULTS.md"
PRUNED = (
    "train.pruning={final_sparsity: 0.8, begin: 100, end: 800, every: 20}",
    "train.early_stopping=null",
    "train.epochs=80",
    "export.tfjs.variants=[]",
    "export.tflite.variants=[float32,int8]",
)


@dataclass(frozen=True)
class Pushed:
    """A pushed version: its folder, its metrics over all rows, and the reports of its exports by format."""

    folder: Path
    exports: Path
    metrics: dict[str, float]
    reports: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Target:
    """A figure that had to be reached."""

    what: str
    value: float
    bound: float

    @property
    def reached(self) -> bool:
        """Whether it was."""
        return self.value <= self.bound


def run_pipeline(place: Path, *settings: str) -> Pushed:
    """Runs the digits pipeline with all exports and the settings."""
    sets = [
        f"pipeline.root={place}/pipelines",
        f"pipeline.runs={place}/runs",
        f"serving.root={place}/models",
        *settings,
    ]
    command = [sys.executable, "-m", "hilir.pipeline.cli", "run", "configs/digits.yaml", "--json"]
    command += ["--overlay", "configs/overlays/export.yaml", *(part for s in sets for part in ("--set", s))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        sys.exit(f"the pipeline failed:\n{done.stdout}{done.stderr}")
    result = json.loads(done.stdout.splitlines()[-1])
    if result["version"] is None:
        sys.exit(f"the model was not blessed: {result['reasons']}")
    exports = place / "models" / "digits" / "exports" / str(result["version"])
    reports = {path.parent.name: json.loads(path.read_text()) for path in exports.glob("*/export.json")}
    return Pushed(Path(result["version_path"]), exports, result["metrics"], reports)


def measure_targets(dense: Pushed, pruned: Pushed) -> Iterator[Target]:
    """Yields the figures of the plan, each with its bound."""
    lite, web = dense.reports["tflite"]["variants"], dense.reports["tfjs"]["variants"]
    yield Target("int8, size over float32", lite["int8"]["bytes"] / lite["float32"]["bytes"], 0.33)
    yield Target("int8, accuracy lost against the SavedModel", lite["int8"]["parity"]["metric_loss"], 0.01)
    sizes = [gzipped(found.exports / "tflite" / "float32.tflite") for found in (pruned, dense)]
    yield Target("pruned to 80 %, float32 gzipped over dense float32 gzipped", sizes[0] / sizes[1], 0.45)
    yield Target("TensorFlow.js float16, size over float32", web["float16"]["bytes"] / web["float32"]["bytes"], 0.55)


def gzipped(path: Path) -> int:
    """Returns the size of the file when gzipped."""
    return len(gzip.compress(path.read_bytes(), 9, mtime=0))


def write_table(title: str, found: Pushed) -> Iterator[str]:
    """Yields a table of all variants of a version."""
    yield f"## {title}\n"
    saved_model = found.reports["tflite"]["saved_model"]
    yield (
        f"SavedModel: {saved_model['bytes']:,} bytes, accuracy {found.metrics['accuracy']:.4f}, "
        f"one row by `serving_default` {saved_model['latency_ms']['median']:.3f} ms.\n"
    )
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for name, report in found.reports.items():
        plain = report["variants"]["float32"]["bytes"]
        for variant, figures in report["variants"].items():
            parity, latency = figures["parity"], figures["latency_ms"]
            cells = (
                f"{name} {variant}",
                f"{figures['bytes']:,}",
                f"{figures['gzipped_bytes']:,}",
                f"{figures['bytes'] / plain:.3f}",
                f"{figures['load_ms']:.1f}",
                f"{latency['median']:.4f}",
                f"{latency['p95']:.4f}",
                f"{figures['peak_memory_bytes'] or 0:,}",
                f"{parity['difference']:.2g}",
                f"{parity['export_metric']:.4f}",
            )
            yield f"| {' | '.join(cells)} |"
    yield ""


def write_results(dense: Pushed, pruned: Pushed) -> list[Target]:
    """Writes RESULTS.md; returns the targets."""
    targets = list(measure_targets(dense, pruned))
    lines = [
        "# Exports of the digits model\n",
        f"`python -m benchmarks.export`, {datetime.now(UTC):%Y-%m-%d}, {describe_machine()}, "
        f"load average {os.getloadavg()[0]:.1f}.\n",
        "tflite: TensorFlow Lite's interpreter with XNNPACK, one thread. tfjs: TensorFlow.js on its CPU backend in "
        "Node.js; its memory is that of tensors. The variants of a format took turns in one process, 200 calls each "
        "for one row. Difference and accuracy are against the SavedModel on all evaluation rows.\n",
        "| target | measured | bound | |",
        "|---|---:|---:|---|",
        *(f"| {t.what} | {t.value:.3f} | {t.bound} | {'reached' if t.reached else 'missed'} |" for t in targets),
        "",
        *write_table("Dense", dense),
        *write_table("Pruned to 80 % zeros", pruned),
    ]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    return targets


def main() -> None:
    """Measures and writes."""
    with tempfile.TemporaryDirectory() as work:
        dense = run_pipeline(Path(work) / "dense")
        pruned = run_pipeline(Path(work) / "pruned", *PRUNED)
        targets = write_results(dense, pruned)
    for target in targets:
        print(f"{target.what}: {target.value:.3f} (bound {target.bound})")
    if not all(target.reached for target in targets):
        sys.exit("a target is missed")


if __name__ == "__main__":
    main()
