"""Labels, scores and weights of a batch as arrays, as TFMA's metrics see them row by row.

`metric_util.to_label_prediction_example_weight` says how; it is called once per row for what the arrays here do not
cover. Its rules that are repeated here: lookup by model and output, `class_id`, `top_k` and `k`, one-hot labels where
shapes differ, a pair for each class, fractional labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.utils import util

_NUMBERS = "biuf"


@dataclass(frozen=True)
class Request:
    """What a metric looks at; `flat`: a pair of label and score for each class, else rows with all of them."""

    model: str
    output: str
    part: metric_types.SubKey | None = None
    weighted: bool = False
    flat: bool = True
    fractional: bool = False


@dataclass(frozen=True)
class Columns:
    """Labels, scores and weights of `entries`, of which a row of the batch may have none, one or several.

    Attributes:
        labels: [entries], or [entries, labels] where not flat.
        scores: [entries], or [entries, classes] where not flat.
        weights: [entries].
        rows: [entries], ascending: the row that each belongs to.
    """

    labels: np.ndarray
    scores: np.ndarray
    weights: np.ndarray
    rows: np.ndarray

    def select(self, rows: np.ndarray, count: int) -> np.ndarray:
        """Returns the numbers of the entries that belong to these rows, of `count` rows in all."""
        if len(self.rows) == count and (count == 0 or int(self.rows[-1]) == count - 1):
            return rows
        chosen: np.ndarray = np.zeros(count, bool)
        chosen[rows] = True
        return np.flatnonzero(chosen[self.rows])


class Batch:
    """A batch of extracts, of which each view is computed once."""

    def __init__(self, extracts: Mapping[str, Any], config: config_pb2.EvalConfig, rows: int) -> None:
        """`extracts`: labels, predictions and weights of so many rows."""
        self.extracts, self.rows = extracts, rows
        self._config = config
        self._found: dict[Request, Columns] = {}

    def read(self, request: Request) -> Columns:
        """Returns what the request asks for."""
        if request not in self._found:
            if request.fractional:
                found = _split_fractions(self.read(replace(request, fractional=False)))
            else:
                found = self._read_arrays(request) or self._read_rows(request)
            self._found[request] = found
        return self._found[request]

    def read_weights(self, request: Request) -> np.ndarray | None:
        """Returns the weights, an array whose first axis is the rows; None where all count alike."""
        weights = self.extracts.get(constants.EXAMPLE_WEIGHTS_KEY)
        if not request.weighted or weights is None:
            return None
        found: np.ndarray = np.asarray(_look_up(weights, request.model, request.output))
        return found

    def _read_arrays(self, request: Request) -> Columns | None:
        """Returns the columns where they are plain arrays of numbers, else None."""
        labels, scores = self._labels(request), self._scores(request)
        weights = self.read_weights(request)
        if not (_is_matrix(labels) and _is_matrix(scores)):
            return None
        labels, scores = labels.reshape(len(labels), -1), scores.reshape(len(scores), -1)
        if not len(labels) == len(scores) == self.rows or 0 in (labels.shape[1], scores.shape[1]):
            return None
        flat = np.ones(self.rows) if weights is None else weights
        if flat.size != self.rows or flat.dtype.kind not in _NUMBERS:
            return None
        labels, scores = _choose_part(labels, scores, request.part)
        return _pair(labels, scores, flat.reshape(-1).astype(np.float64), flat=request.flat)

    def _labels(self, request: Request) -> Any:
        labels = self.extracts.get(constants.LABELS_KEY)
        key = self._spec_of(request.model).label_key
        if key and isinstance(labels, Mapping):
            labels = labels.get(key, labels)
        return _look_up(labels, request.model, request.output)

    def _scores(self, request: Request) -> Any:
        scores = self.extracts.get(constants.PREDICTIONS_KEY)
        for name in (request.model, request.output):
            scores = scores[name] if name and isinstance(scores, Mapping) and name in scores else scores
        key = self._spec_of(request.model).prediction_key
        return scores.get(key, scores) if key and isinstance(scores, Mapping) else scores

    def _spec_of(self, model: str) -> config_pb2.ModelSpec:
        specs = self._config.model_specs
        return next((spec for spec in specs if (spec.name if len(specs) > 1 else "") == model), config_pb2.ModelSpec())

    def _read_rows(self, request: Request) -> Columns:
        """Asks TFMA row by row."""
        names = (constants.LABELS_KEY, constants.PREDICTIONS_KEY, constants.EXAMPLE_WEIGHTS_KEY)
        wanted = {name: self.extracts[name] for name in names if name in self.extracts}
        labels, scores, weights, rows = [], [], [], []
        for row, extracts in enumerate(util.split_extracts(wanted)):
            for label, score, weight in metric_util.to_label_prediction_example_weight(
                metric_types.StandardMetricInputs(extracts),
                eval_config=self._config,
                model_name=request.model,
                output_name=request.output,
                sub_key=request.part,
                example_weighted=request.weighted,
                flatten=request.flat,
                require_single_example_weight=not request.flat,
            ):
                labels.append(label.item() if request.flat else label)
                scores.append(score.item() if request.flat else score)
                weights.append(weight.item())
                rows.append(row)
        return Columns(np.array(labels), np.array(scores), np.array(weights, np.float64), np.array(rows, np.int64))


def _look_up(value: Any, *names: str) -> Any:
    """Returns what stands under the names, where it is kept by them."""
    for name in names:
        if name and isinstance(value, Mapping) and name in value:
            value = value[name]
    return value


def _is_matrix(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in _NUMBERS and value.ndim in (1, 2)


def _choose_part(
    labels: np.ndarray, scores: np.ndarray, part: metric_types.SubKey | None
) -> tuple[np.ndarray, np.ndarray]:
    if part is None:
        return labels, scores
    if part.k is not None:
        indices = metric_util.top_k_indices(part.k, scores, sort=True)
        chosen = (indices[0][part.k - 1 :: part.k], indices[1][part.k - 1 :: part.k])
        labels = make_one_hot(labels, scores)
        return metric_util.select_indices(labels, chosen), metric_util.select_indices(scores, chosen)
    if part.top_k is not None:
        indices = metric_util.top_k_indices(part.top_k, scores)
        top = np.full(scores.shape, -np.inf)
        top[indices] = scores[indices]
        scores = top
    if part.class_id is not None:
        labels, scores = metric_util.select_class_id(part.class_id, labels, scores)
    return labels, scores


def make_one_hot(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns labels of the scores' shape, [rows, classes]; class numbers become one-hot rows."""
    if labels.shape == scores.shape:
        return labels
    one_hot: np.ndarray = metric_util.one_hot(labels, scores)
    return one_hot


def _pair(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray, *, flat: bool) -> Columns | None:
    rows = np.arange(len(scores))
    if not flat:
        return Columns(labels, scores, weights, rows)
    if labels.shape != scores.shape and labels.shape[1] != 1:
        return None
    classes = scores.shape[1]
    return Columns(
        make_one_hot(labels, scores).reshape(-1), scores.reshape(-1), weights.repeat(classes), rows.repeat(classes)
    )


def _split_fractions(columns: Columns) -> Columns:
    """Returns each entry as one of label 0 and one of label 1, which share its weight; those of no weight are left out.

    Raises:
        ValueError: a label is not within [0, 1].
    """
    labels: np.ndarray = columns.labels.astype(np.float64)
    wrong = labels[~((labels >= -metric_util._EPSILON) & (labels <= 1.0 + metric_util._EPSILON))]
    if len(wrong):
        raise ValueError(f"label must be within [0, 1]: label={wrong[0]}")
    if np.isin(labels, (0.0, 1.0)).all():
        kept = columns.weights != 0.0
        if kept.all():
            return columns
        return Columns(labels[kept], columns.scores[kept], columns.weights[kept], columns.rows[kept])
    # Entries of a row stay together, so that `rows` ascends.
    weights = np.stack([columns.weights * (1 - labels), columns.weights * labels], axis=1).reshape(-1)
    kept = weights != 0.0
    return Columns(
        np.tile([0.0, 1.0], len(labels))[kept],
        columns.scores.repeat(2)[kept],
        weights[kept],
        columns.rows.repeat(2)[kept],
    )
