"""Exports of versions that are pushed already, and what is known of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.versions.catalogue import Version, find_version, open_root


def export_version(config: Config, version: int, name: str, variants: tuple[str, ...], examples: str | None) -> str:
    """Makes the exports `name` (`tflite` or `tfjs`) of a pushed version anew; returns their folder.

    Args:
        config: says where the versions are, and the bounds.
        version: its number.
        name: the format.
        variants: what to make instead of the configured variants.
        examples: folder of the raw examples, with `Split-train` and `Split-eval`; None: those of the version's run.

    Raises:
        ConfigError: the version or variant does not exist, or its examples are gone.
        ExportError: the model cannot be converted.
    """
    # What writes to the serving root in a pipeline does it here too.
    from hilir.components.exporter.example_rows import read_rows
    from hilir.components.exporter.export_input import Subject
    from hilir.components.exporter.parity import choose_metric
    from hilir.components.exporter.settings import ExportSettings
    from hilir.components.pusher import numbered_versions
    from hilir.components.pusher.manifest import describe_export
    from hilir.components.trainer.export.class_names import find_only_classes

    export = _choose(ExportSettings, config, name, variants)
    pushed = _find(config, version)
    source = Path(examples or pushed.manifest["data"].get("examples", ""))
    if not (source / "Split-eval").is_dir():
        raise ConfigError(
            f"{source}: the examples on which the export must be verified are not there; "
            f"give their folder, for example --examples out/pipelines/{config.model.name}/ExampleGen/examples/1"
        )
    subject = Subject(
        model=config.model.name,
        saved_model=str(pushed.folder),
        rows=read_rows([str(source / "Split-eval" / "*")], export.examples),
        metric=choose_metric(export, config.evaluate),
        labels=tuple(export.labels) or find_only_classes(str(pushed.folder)),
    )
    with tempfile.TemporaryDirectory() as work:
        if name == "tflite":
            from hilir.components.exporter.tflite.tflite_export import export_tflite

            calibration = read_rows([str(source / "Split-train" / "*")], export.tflite.calibration)
            export_tflite(subject, calibration, export.tflite, work)
        else:
            from hilir.components.exporter.tfjs.tfjs_export import export_tfjs

            export_tfjs(subject, export.tfjs, work)
        return numbered_versions.replace_export(str(pushed.model), version, name, work, describe_export(work))


def read_exports(config: Config, version: int) -> dict[str, dict[str, Any]]:
    """Returns the report of each format that the version was exported to.

    Raises:
        ConfigError: the version does not exist, or has no exports.
    """
    pushed = _find(config, version)
    found = pushed.exports
    if not found:
        raise ConfigError(
            f"{pushed.model}: version {version} has no exports; "
            f"type 'hilir export tflite {version}' with the same configuration"
        )
    return found


def write_table(reports: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yields the variants as lines of a table."""
    header = (
        "variant",
        "bytes",
        "gzipped",
        "of model",
        "load ms",
        "median ms",
        "p95 ms",
        "memory",
        "difference",
        "agreement",
        "loss",
    )
    yield f"{header[0]:<22}" + "".join(f"{title:>12}" for title in header[1:])
    for name, report in reports.items():
        for variant, figures in report["variants"].items():
            parity, memory, latency = figures["parity"], figures["peak_memory_bytes"], figures["latency_ms"]
            cells = (
                f"{figures['bytes']:,}",
                f"{figures['gzipped_bytes']:,}",
                f"{figures['ratio_to_saved_model']:.3f}",
                f"{figures['load_ms']:.1f}",
                f"{latency['median']:.4f}",
                f"{latency['p95']:.4f}",
                "-" if memory is None else f"{memory:,}",
                f"{parity['difference']:.2g}",
                "-" if parity["agreement"] is None else f"{parity['agreement']:.2%}",
                f"{parity['metric_loss']:+.4f}",
            )
            yield f"{name + ' ' + variant:<22}" + "".join(f"{cell:>12}" for cell in cells)
            yield from (f"    refused: {reason}" for reason in figures["reasons"])
            yield from (f"    {note}" for note in figures["notes"])


def _choose(kind: Any, config: Config, name: str, variants: tuple[str, ...]) -> Any:
    values = config.export.model_dump(mode="json")
    values[name]["variants"] = list(variants) or values[name]["variants"] or list(values[name]["bounds"])
    return kind.model_validate(values)


def _find(config: Config, version: int) -> Version:
    return find_version(open_root(config.serving.root) / config.model.name, version)
