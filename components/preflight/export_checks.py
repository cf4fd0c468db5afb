"""The wanted variants for devices and browsers: whether each can be converted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hilir.components.errors import ComponentError, PreflightError
from hilir.components.exporter.edge_model import EdgeModel, prepare
from hilir.components.exporter.errors import ExportError
from hilir.components.exporter.expected_answers import check_program, make_reference
from hilir.components.exporter.export_input import Subject
from hilir.components.exporter.settings import ExportSettings, TFLiteVariant
from hilir.components.preflight.stage import stage


@dataclass
class Conversions:
    """The variants that were converted, and the reasons why others cannot be."""

    converted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def convert_variants(export: ExportSettings, subject: Subject, package: str, work: str) -> Conversions:
    """Converts each wanted variant; imports a format's own libraries only where it is wanted.

    Args:
        export: the variants, and whether a failed one stops the run.
        subject: the SavedModel, and real rows, which calibrate too.
        package: the user's package.
        work: a folder to write to.

    Raises:
        ComponentError: a variant cannot be converted, and `export.on_failure` is `stop`.
    """
    found = Conversions()
    with _attempt(export, found, "preparing the exports", package, []):
        edge = prepare(subject.saved_model, work)
        make_reference(edge, subject)
        for variant in export.tflite.variants:
            name = f"TensorFlow Lite {variant}"
            with _attempt(export, found, name, package, [name]):
                _convert_tflite(export, subject, variant, edge, work)
        if export.tfjs.variants:
            names = [f"TensorFlow.js {variant}" for variant in export.tfjs.variants]
            with _attempt(export, found, "TensorFlow.js", package, names):
                _convert_tfjs(export, subject, edge, work)
    return found


@contextmanager
def _attempt(
    export: ExportSettings, found: Conversions, what: str, package: str, variants: Sequence[str]
) -> Iterator[None]:
    remedy = f"fix {package}, remove the variant from 'export', or set export.on_failure to skip"
    try:
        with stage(what, package, remedy):
            yield
        found.converted += variants
    except ExportError as error:
        if export.on_failure == "stop":
            raise PreflightError(
                f"{error}; nothing was trained, and export.on_failure: skip would continue without it"
            ) from error
        found.failed.append(str(error))
    except ComponentError as error:
        if export.on_failure == "stop":
            raise
        found.failed.append(str(error))


def _convert_tflite(
    export: ExportSettings, subject: Subject, variant: TFLiteVariant, edge: EdgeModel, work: str
) -> None:
    from hilir.components.exporter.tflite.tflite_export import convert_variant
    from hilir.components.exporter.tflite.tflite_file import TFLiteModel

    conversion = convert_variant(variant, subject, edge, subject.rows, export.tflite, work)
    TFLiteModel(conversion.content).predict(conversion.inputs)
    if conversion.takes == "transformed" and edge.program is not None:
        check_program(edge, subject.rows)


def _convert_tfjs(export: ExportSettings, subject: Subject, edge: EdgeModel, work: str) -> None:
    from hilir.components.exporter.tfjs.tfjs_export import convert_variants as convert_tfjs

    if edge.refusal:
        raise ExportError(f"TensorFlow.js: {edge.refusal}")
    if edge.program is not None:
        check_program(edge, subject.rows)
    convert_tfjs(edge, export.tfjs, Path(work) / "tfjs", work)
