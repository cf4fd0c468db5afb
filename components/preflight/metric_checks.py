"""The Evaluator's metrics on what the model answers for real rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from hilir.components.errors import PreflightError
from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.extraction import has_labels
from hilir.components.evaluator.metric_classes import CLASSES, COUNTS, CROSSENTROPIES
from hilir.components.evaluator.outputs import choose_outputs
from hilir.components.evaluator.settings import EvaluateSettings, Metric
from hilir.components.evaluator.trial import compute, only, reason

Arrays = Mapping[str, np.ndarray]


_RANGE = 1e-3
"""By how much a score of 0 or 1 may be off, in half of the usual precision."""


def check_metrics(
    settings: EvaluateSettings,
    label: str | Mapping[str, str],
    labels: Arrays,
    outputs: Arrays,
    logits: Collection[str] = (),
) -> None:
    """Computes each metric on the rows that have a label.

    Args:
        settings: the metrics.
        label: as for `make_eval_config`.
        labels: by name, [rows, …].
        outputs: by name, [rows, …].
        logits: those of the outputs that are logits, as their losses say.

    Raises:
        ComponentError: a metric names an output that is not there, or cannot be computed from the output it reads.
    """
    choose_outputs(make_eval_config(settings, label), sorted(outputs))
    faults = []
    kept = [row for row in range(len(next(iter(labels.values())))) if has_labels(_row(labels, row))]
    for metric in settings.metrics if kept else []:
        name = settings.output_of(metric) or min(outputs)
        of_output = label if isinstance(label, str) else label.get(name)
        if of_output is None:
            if metric.module is None and metric.metric in COUNTS:
                continue
            faults.append(
                f"evaluate.metrics: '{metric.name}' reads the output '{name}', which has no label; give it one in "
                f"features.LABEL, or the metric another output: {', '.join(sorted(label))}"
            )
            continue
        scores = outputs[name][kept]
        fault = _find_fault(metric, labels[of_output][kept], scores, is_logit=name in logits)
        if fault:
            shape = ", ".join(["rows", *map(str, outputs[name].shape[1:])])
            faults.append(
                f"evaluate.metrics: '{metric.name}' of class {metric.metric} does not fit the model's output '{name}' "
                f"[{shape}] and the label '{of_output}': {fault}"
            )
    if faults:
        raise PreflightError("; ".join(faults))


def _row(labels: Arrays, row: int) -> Arrays:
    return {name: values[row] for name, values in labels.items()}


def _find_fault(metric: Metric, labels: np.ndarray, scores: np.ndarray, *, is_logit: bool) -> str | None:
    width = scores.shape[-1] if scores.ndim > 1 else 1
    if metric.module is None and metric.metric not in COUNTS:
        if CLASSES[metric.metric].kind == "classes" and width == 1:
            return "it needs a score for each class; use BinaryAccuracy, BinaryCrossentropy or AUC"
        if isinstance(metric.class_id, int) and metric.class_id >= max(width, 2):
            return f"there is no class {metric.class_id}; the classes are 0 to {max(width, 2) - 1}"
        if _takes_probabilities(metric) and (is_logit or scores.min() < -_RANGE or scores.max() > 1 + _RANGE):
            return (
                f"it takes scores from 0 to 1, and these are {'logits, ' if is_logit else ''}from {scores.min():g} to "
                f"{scores.max():g}; end the model in a {'sigmoid' if width == 1 else 'softmax'}"
                f"{', and leave from_logits out of its loss' if is_logit else ''}"
            )
    try:
        compute(only(metric), [(labels, scores)])
    except Exception as error:  # noqa: BLE001 - Keras, TFMA and metrics of the user's own raise errors of all kinds
        return reason(error)
    return None


def _takes_probabilities(metric: Metric) -> bool:
    """Returns whether a metric of the table is wrong for logits; those that rank, or have own thresholds, are not."""
    if metric.top_k is not None or {"thresholds", "threshold", "from_logits", "top_k"} & metric.config.keys():
        return False
    return CLASSES[metric.metric].kind == "binary" or metric.metric in CROSSENTROPIES
