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

# Of a value; a network adds up more than one number, each rounded to 6e-8 of it.
_ROUNDING = 1e-6


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
    """How far an export is from its SavedModel.

    Attributes:
        examples: how many rows were compared.
        difference: the largest of any output, measured in its scale.
        scale: that output's: 1 for scores from 0 to 1, else the standard deviation of what the SavedModel says.
        row: where that difference is.
        agreement: fraction of the rows with the same top class; None: the metric's output has no classes.
        metric: its name.
        saved_model_metric: its value for the SavedModel.
        export_metric: its value for the export.
        metric_loss: by how much that is worse.
        metric_scale: what the loss is measured in: 1 for scores, else the SavedModel's value, whatever its unit.
    """

    examples: int
    difference: float
    scale: float
    row: int
    agreement: float | None
    metric: str
    saved_model_metric: float
    export_metric: float
    metric_loss: float
    metric_scale: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the figures for the report."""
        return asdict(self)

    def broken(self, bounds: Bounds) -> list[str]:
        """Returns one sentence per bound that is not kept."""
        found = []
        if not self.difference <= bounds.difference * self.scale:
            share = f", {self.difference / self.scale:.3g} of its output's standard deviation" * (self.scale != 1)
            found.append(
                f"row {self.row} differs most, by {self.difference:.3g}{share}; the bound is {bounds.difference:g}"
            )
        if self.agreement is not None and not self.agreement >= bounds.agreement:
            found.append(
                f"{self.agreement:.2%} of {self.examples} examples have the same top class "
                f"(row {self.row} differs most); the bound is {bounds.agreement:.2%}"
            )
        if not self.metric_loss <= bounds.metric_loss * self.metric_scale:
            allowed = f"{bounds.metric_loss:g}" if self.metric_scale == 1 else f"{bounds.metric_loss:.3g} of that"
            found.append(
                f"{self.metric} is {self.export_metric:.4f} and the SavedModel's {self.saved_model_metric:.4f} "
                f"(row {self.row} differs most); it may lose {allowed}"
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
    names = sorted(reference.outputs)
    distances = {name: _difference(outputs[name], reference.outputs[name]) for name in names}
    scales = {name: _find_scale(reference.outputs[name]) for name in names}
    worst = max(names, key=lambda name: distances[name].max() / scales[name])
    main, found_main = reference.main, outputs[reference.main_name]
    labelled = has_label(reference.labels)
    before = reference.metric.compute(reference.labels[labelled], main[labelled])
    after = reference.metric.compute(reference.labels[labelled], found_main[labelled])
    return Parity(
        examples=len(main),
        difference=float(distances[worst].max()),
        scale=scales[worst],
        row=int(distances[worst].argmax()),
        agreement=_agree(found_main, main) if _has_classes(main, reference.labels[labelled]) else None,
        metric=reference.metric.name,
        saved_model_metric=before,
        export_metric=after,
        metric_loss=before - after if reference.metric.better == "higher" else after - before,
        metric_scale=1.0 if _is_scores(main) else abs(before) or 1.0,
    )


def has_label(labels: np.ndarray) -> np.ndarray:
    """Returns for each row of labels, [rows, …], whether none of its values is missing."""
    flat = labels.reshape(len(labels), -1)
    present: np.ndarray = np.array([not any(is_missing(value) for value in row) for row in flat.tolist()], bool)
    return present


def _difference(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Returns the largest difference in each row; what float32 rounds is none."""
    differences = np.abs(found.astype(np.float64) - expected)
    differences = np.where(differences <= _ROUNDING * np.abs(expected), 0.0, differences)
    rows = differences.reshape(len(expected), -1).max(axis=1)
    distance: np.ndarray = np.nan_to_num(rows, nan=np.inf, posinf=np.inf)
    return distance


def _find_scale(expected: np.ndarray) -> float:
    """Returns what differences of an output are measured in; prices in dollars and in cents are alike."""
    if _is_scores(expected):
        return 1.0
    values: np.ndarray = expected.astype(np.float64)
    return float(np.nanstd(values)) or float(np.nanmax(np.abs(values))) or 1.0


def _is_scores(values: np.ndarray) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def _has_classes(expected: np.ndarray, labels: np.ndarray) -> bool:
    """Whether an output has scores or logits of classes, by the labels that it is compared with."""
    width, found = expected[0].size, labels.reshape(len(labels), -1)
    is_whole = found.dtype.kind in "biu" or bool((found == np.floor(found)).all())
    if found.shape[1] == 1 and width > 1:
        return is_whole and bool((found < width).all())
    return is_whole and bool(((found >= 0) & (found <= 1)).all())


def _agree(found: np.ndarray, expected: np.ndarray) -> float:
    flat, wanted = found.reshape(len(found), -1), expected.reshape(len(expected), -1)
    if wanted.shape[1] > 1:
        return float(np.mean(flat.argmax(axis=1) == wanted.argmax(axis=1)))
    limit = 0.5 if _is_scores(expected) else 0.0
    return float(np.mean((flat > limit) == (wanted > limit)))
