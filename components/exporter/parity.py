"""Compares what an exported model says with what the SavedModel says on the same examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

import numpy as np
import tf_keras as keras

from hilir.analysis.directions import find_direction
from hilir.components.evaluator.settings import EvaluateSettings
from hilir.components.exporter.errors import ExportError
from hilir.components.exporter.settings import Bounds, ExportSettings
from hilir.components.missing import is_missing


@dataclass(frozen=True)
class MetricSpec:
    """The evaluation's metric that an export may lose a little of.

    Its name, Keras class (`module`: of the user's own), configuration and direction; the output that it reads (None:
    the first by name) and the class that it looks at (None: all).
    """

    name: str
    kind: str
    config: dict[str, Any]
    better: str = "higher"
    module: str | None = None
    output: str | None = None
    class_id: int | None = None

    def compute(self, labels: np.ndarray, outputs: np.ndarray) -> float:
        """Returns the metric of the outputs, [rows, …], against the labels, [rows, …].

        Raises:
            ExportError: Keras has no metric of that class.
        """
        found = getattr(import_module(self.module) if self.module else keras.metrics, self.kind, None)
        if found is None:
            raise ExportError(
                f"export.metric: '{self.name}' is of the class {self.kind}, which is not a metric of Keras; "
                f"name another of evaluate.metrics, for example one of class AUC or SparseCategoricalAccuracy"
            )
        metric = found(**self.config)
        if self.class_id is not None:
            labels, outputs = self._take_class(labels, outputs)
        metric.update_state(labels, outputs)
        return float(metric.result())

    def choose_output(self, outputs: Iterable[str]) -> str:
        """Returns the name of the output that the metric reads; the first by name where it names none."""
        known = sorted(outputs)
        return self.output if self.output in known else known[0]

    def _take_class(self, labels: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = labels.reshape(len(labels), -1)
        is_one_hot = flat.shape[1] == outputs.shape[-1] > 1
        is_class = flat[:, self.class_id] if is_one_hot else flat[:, 0] == self.class_id
        return np.asarray(is_class, np.float32), outputs[..., self.class_id]


def choose_metric(export: ExportSettings, evaluate: EvaluateSettings) -> MetricSpec:
    """Returns the metric that `export.metric` names, or that of the first threshold."""
    name = export.metric or evaluate.thresholds[0].metric
    metric = next(metric for metric in evaluate.metrics if metric.name == name)
    said = next((bound.better for bound in evaluate.thresholds if bound.metric == name), None)
    better = said or ("lower" if find_direction(metric.metric) == -1 else "higher")
    class_id = metric.class_id if isinstance(metric.class_id, int) else None
    output = evaluate.output_of(metric)
    return MetricSpec(name, metric.metric, metric.config, better, metric.module, output, class_id)


@dataclass(frozen=True)
class Reference:
    """What the SavedModel says on the examples, and what is true of them."""

    outputs: dict[str, np.ndarray]
    labels: np.ndarray
    metric: MetricSpec

    @property
    def main(self) -> np.ndarray:
        """The output that the metric reads."""
        return self.outputs[self.main_name]

    @property
    def main_name(self) -> str:
        """Its name."""
        return self.metric.choose_output(self.outputs)


@dataclass(frozen=True)
class Parity:
    """How far an export is from its SavedModel."""

    examples: int
    difference: float
    row: int
    agreement: float
    metric: str
    saved_model_metric: float
    export_metric: float
    metric_loss: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the figures for the report."""
        return asdict(self)

    def broken(self, bounds: Bounds) -> list[str]:
        """Returns one sentence per bound that is not kept."""
        found = []
        if not self.difference <= bounds.difference:
            found.append(f"row {self.row} differs most, by {self.difference:.3g}; the bound is {bounds.difference:g}")
        if not self.agreement >= bounds.agreement:
            found.append(
                f"{self.agreement:.2%} of {self.examples} examples have the same top class "
                f"(row {self.row} differs most); the bound is {bounds.agreement:.2%}"
            )
        if not self.metric_loss <= bounds.metric_loss:
            found.append(
                f"{self.metric} is {self.export_metric:.4f} and the SavedModel's {self.saved_model_metric:.4f} "
                f"(row {self.row} differs most); it may lose {bounds.metric_loss:g}"
            )
        return found


def compare(reference: Reference, outputs: Mapping[str, np.ndarray]) -> Parity:
    """Returns how far the outputs are from the reference's; a NaN is as far as can be.

    Raises:
        ExportError: the export has other outputs than the SavedModel.
    """
    for name, expected in reference.outputs.items():
        if name not in outputs or outputs[name].shape != expected.shape:
            found = {key: value.shape for key, value in outputs.items()}
            raise ExportError(
                f"the export gives {found} where the SavedModel gives '{name}' of shape {expected.shape}; "
                f"this is a fault of the conversion, convert with another variant"
            )
    per_row = np.max([_difference(outputs[name], expected) for name, expected in reference.outputs.items()], axis=0)
    name = reference.main_name
    labelled = has_label(reference.labels)
    before = reference.metric.compute(reference.labels[labelled], reference.main[labelled])
    after = reference.metric.compute(reference.labels[labelled], outputs[name][labelled])
    return Parity(
        examples=len(per_row),
        difference=float(per_row.max()),
        row=int(per_row.argmax()),
        agreement=float(np.mean(_top(outputs[name]) == _top(reference.main))),
        metric=reference.metric.name,
        saved_model_metric=before,
        export_metric=after,
        metric_loss=before - after if reference.metric.better == "higher" else after - before,
    )


def has_label(labels: np.ndarray) -> np.ndarray:
    """Returns for each row of labels, [rows, …], whether none of its values is missing."""
    flat = labels.reshape(len(labels), -1)
    present: np.ndarray = np.array([not any(is_missing(value) for value in row) for row in flat.tolist()], bool)
    return present


def _difference(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    differences = np.abs(found.astype(np.float64) - expected).reshape(len(expected), -1).max(axis=1)
    distance: np.ndarray = np.nan_to_num(differences, nan=np.inf, posinf=np.inf)
    return distance


def _top(outputs: np.ndarray) -> np.ndarray:
    flat = outputs.reshape(len(outputs), -1)
    top: np.ndarray = flat.argmax(axis=1) if flat.shape[1] > 1 else flat[:, 0] > 0.5
    return top
