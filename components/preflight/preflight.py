"""The whole way: model, training step, names, signatures, metrics, golden requests, exports."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from hilir.components.exporter.example_rows import Rows
from hilir.components.exporter.export_input import Subject
from hilir.components.preflight.class_name_checks import check_class_names
from hilir.components.preflight.export_checks import Conversions, convert_variants
from hilir.components.preflight.metric_checks import check_metrics
from hilir.components.preflight.sample_rows import ROWS, Sample, read_sample
from hilir.components.preflight.settings import PreflightSettings
from hilir.components.preflight.signature_checks import call_signatures, check_golden
from hilir.components.preflight.step import make_job, require_directions, require_monitored, take_step
from hilir.components.trainer.data.labels import Labels, read_labels
from hilir.components.trainer.distribution.gpu_memory import set_gpu_memory
from hilir.components.trainer.fit import require_labels
from hilir.components.trainer.model_package import ModelPackage, load_package


@dataclass(frozen=True)
class Data:
    """Folders: transformed examples of both splits, raw ones of the evaluation split, the transform graph."""

    train: str
    evaluation: str
    raw: str
    transform: str


@dataclass(frozen=True)
class Report:
    """What was checked.

    `figures` is what the training step reported; `variants` were converted, `skipped` has the reasons of those that
    were not and that `export.on_failure: skip` leaves out.
    """

    rows: int
    figures: dict[str, float]
    signatures: list[str]
    variants: list[str]
    skipped: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Returns the report as JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        parts = ["1 training step", _count(len(self.signatures), "signature")]
        if self.variants or self.skipped:
            parts.append(_count(len(self.variants), "variant"))
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped")
        return ", ".join(parts)


def check(settings: PreflightSettings, data: Data) -> Report:
    """Sends real rows the whole way that the run will take.

    Raises:
        ComponentError: the sentence that says what would stop the run later.
    """
    set_gpu_memory(settings.train.gpu_memory)
    package = load_package(settings.package)
    transform = tft.TFTransformOutput(data.transform)
    require_labels(package, transform)
    # A sample would not show all classes, nor the rows that the training refuses.
    labels = read_labels(make_job(settings, f"{data.train}/*", f"{data.evaluation}/*"), package, transform)
    sample = read_sample(data.train, data.evaluation, data.raw, package, transform)
    # Keras numbers the layers and metrics that have no name; the training must find the names that it would have alone.
    keras.backend.clear_session()
    try:
        with tempfile.TemporaryDirectory() as work, _as_traced():
            return _check(settings, package, transform, labels, sample, work)
    finally:
        keras.backend.clear_session()


def _check(
    settings: PreflightSettings,
    package: ModelPackage,
    transform: tft.TFTransformOutput,
    labels: Labels,
    sample: Sample,
    work: str,
) -> Report:
    step = take_step(settings, package, transform, labels, sample, work)
    require_monitored(settings.monitored(), step.figures)
    require_directions(settings.train, step.network)
    rows = Rows(sample.raw)
    exported = call_signatures(step.network, transform, package, labels.classes, rows, os.path.join(work, "model"))
    check_metrics(settings.evaluate, package.label, exported.labels, exported.outputs, step.logits)
    check_class_names(settings.export, package, exported.outputs, labels.classes)
    check_golden(exported, settings.model, package.name, rows, work)
    exports = Conversions()
    if settings.metric is not None:
        subject = Subject(settings.model, exported.folder, rows, settings.metric, settings.export.only_names)
        exports = convert_variants(settings.export, subject, package.name, work)
    return Report(
        rows=min(len(sample.train), ROWS),
        figures=step.figures,
        signatures=sorted(exported.signatures),
        variants=exports.converted,
        skipped=exports.failed,
    )


_OPTIMIZERS = (
    "layout_optimizer",
    "constant_folding",
    "shape_optimization",
    "remapping",
    "arithmetic_optimization",
    "dependency_optimization",
    "loop_optimization",
    "implementation_selector",
)
"""Of TensorFlow's graph optimizers, which are on, those that change how fast a graph is, not what it does."""


@contextmanager
def _as_traced() -> Iterator[None]:
    """Runs graphs as they were traced: to optimize one that is called once takes a tenth of the whole check.

    Functions are inlined and what no output needs is left out all the same, as where the model is served: without it
    the label's part of preprocessing_fn would be run there too, on columns that nobody sends.
    """
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options(dict.fromkeys(_OPTIMIZERS, False))
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options(dict.fromkeys(_OPTIMIZERS, True) | before)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
