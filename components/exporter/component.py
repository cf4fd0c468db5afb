"""The TFX components of the exports: one for each format."""

import json
import logging
import os
import tempfile
from typing import Any

from tfx.components.util import model_utils
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils, path_utils

from hilir.components.exporter.artifact import ModelExport
from hilir.components.exporter.example_rows import Rows, read_rows
from hilir.components.exporter.export_input import Subject
from hilir.components.exporter.export_report import summarize
from hilir.components.exporter.parity import MetricSpec
from hilir.components.exporter.settings import ExportSettings
from hilir.components.settings import SplitRoles
from hilir.components.trainer.export.class_names import find_only_classes

progress = logging.getLogger("hilir.progress")


@component
def TFLiteExporter(  # noqa: N802 - a component is named like a class
    model: InputArtifact[standard_artifacts.Model],
    blessing: InputArtifact[standard_artifacts.ModelBlessing],
    examples: InputArtifact[standard_artifacts.Examples],
    tflite: OutputArtifact[ModelExport],
    settings: Parameter[str],
) -> None:
    """Converts a blessed model to TensorFlow Lite and keeps the variants within their bounds.

    Raises:
        ExportError: the model cannot be converted.
    """
    from hilir.components.exporter.tflite.tflite_export import export_tflite

    if model_utils.is_model_blessed(blessing):
        export = ExportSettings.model_validate(json.loads(settings)["export"])
        subject = _subject(json.loads(settings), export, model, examples)
        calibration = _rows(examples, json.loads(settings)["roles"]["train"], export.tflite.calibration)
        skip = export.on_failure == "skip"
        with tempfile.TemporaryDirectory() as folder:
            _store(tflite, folder, export_tflite(subject, calibration, export.tflite, folder, skip=skip))


@component
def TFJSExporter(  # noqa: N802
    model: InputArtifact[standard_artifacts.Model],
    blessing: InputArtifact[standard_artifacts.ModelBlessing],
    examples: InputArtifact[standard_artifacts.Examples],
    tfjs: OutputArtifact[ModelExport],
    settings: Parameter[str],
) -> None:
    """Converts a blessed model to TensorFlow.js and keeps the variants within their bounds.

    Raises:
        ExportError: the model cannot be converted, or a tool for it is missing.
    """
    from hilir.components.exporter.tfjs.tfjs_export import export_tfjs

    if model_utils.is_model_blessed(blessing):
        export = ExportSettings.model_validate(json.loads(settings)["export"])
        subject = _subject(json.loads(settings), export, model, examples)
        with tempfile.TemporaryDirectory() as folder:
            _store(tfjs, folder, export_tfjs(subject, export.tfjs, folder, skip=export.on_failure == "skip"))


def make_parameter(model: str, export: ExportSettings, metric: MetricSpec, roles: SplitRoles) -> str:
    """Returns the parameter `settings` of both components."""
    return json.dumps(
        {
            "model": model,
            "metric": vars(metric),
            "export": export.model_dump(mode="json"),
            "roles": roles.names,
        },
        sort_keys=True,
    )


def _subject(settings: dict[str, Any], export: ExportSettings, model: Any, examples: Any) -> Subject:
    saved_model = path_utils.serving_model_path(model.uri)
    return Subject(
        model=settings["model"],
        saved_model=saved_model,
        rows=_rows(examples, settings["roles"]["evaluate"], export.examples),
        metric=MetricSpec(**settings["metric"]),
        labels=export.only_names or find_only_classes(saved_model),
    )


def _rows(examples: Any, split: str, count: int) -> Rows:
    return read_rows([os.path.join(artifact_utils.get_split_uri([examples], split), "*")], count)


def _store(export: Any, folder: str, report: dict[str, Any]) -> None:
    """Copies the files to the artifact, which may be on an object store, and says what came of it."""
    if fileio.exists(export.uri):
        fileio.rmtree(export.uri)
    io_utils.copy_dir(folder, export.uri)
    variants = report["variants"]
    export.set_string_custom_property("format", report["format"])
    kept = [name for name, figures in variants.items() if figures["kept"]]
    export.set_string_custom_property("kept", ",".join(kept))
    export.set_string_custom_property(
        "refused", ",".join([*(name for name in variants if name not in kept), *report.get("failed", {})])
    )
    for line in summarize(report):
        progress.info("%s", line)
