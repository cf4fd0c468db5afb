"""Which metrics are computed over batches, and which row by row."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tensorflow_model_analysis import constants
from tensorflow_model_analysis.metrics import (
    binary_confusion_matrices,
    calibration,
    calibration_histogram,
    example_count,
    metric_types,
    metric_util,
    multi_class_confusion_matrix_metrics,
    squared_pearson_correlation,
    tf_metric_wrapper,
    tjur_discrimination,
)

from hilir.components.evaluator.grouped.combiner import Combiner
from hilir.components.evaluator.grouped.keras_sums import KerasMetrics
from hilir.components.evaluator.grouped.matrices import Classes, Histogram, Thresholds
from hilir.components.evaluator.grouped.sums import Count, make_correlation, make_discrimination, make_means

_log = logging.getLogger(__name__)

_MAKE: Mapping[type[Any], Callable[[Any], Combiner]] = {
    calibration_histogram._CalibrationHistogramCombiner: Histogram,
    binary_confusion_matrices._BinaryConfusionMatrixCombiner: Thresholds,
    multi_class_confusion_matrix_metrics._MultiClassConfusionMatrixCombiner: Classes,
    example_count._ExampleCountCombiner: Count,
    calibration._WeightedLabelsPredictionsExamplesCombiner: make_means,
    squared_pearson_correlation._SquaredPearsonCorrelationCombiner: make_correlation,
    tjur_discrimination._TjurDiscriminationCombiner: make_discrimination,
    tf_metric_wrapper._CompilableMetricsCombiner: KerasMetrics,
}


@dataclass(frozen=True)
class Plan:
    """The computations over batches, and those of TFMA that are left to its per-row path."""

    grouped: tuple[Combiner, ...]
    by_row: tuple[metric_types.MetricComputation, ...]


def make_plan(computations: Sequence[metric_types.MetricComputation]) -> Plan:
    """Returns how to compute them; what goes row by row is named in the log."""
    grouped, by_row = [], []
    for computation in computations:
        kind = _MAKE.get(type(computation.combiner))
        if kind is None or not _is_covered(computation):
            by_row.append(computation)
            names = ", ".join(sorted({key.name for key in computation.keys}))
            _log.warning("%s (%s) is computed row by row", names, type(computation.combiner).__name__)
        else:
            grouped.append(kind(computation.combiner))
    return Plan(tuple(grouped), tuple(by_row))


def _is_covered(computation: metric_types.MetricComputation) -> bool:
    combiner = computation.combiner
    default = metric_util.to_label_prediction_example_weight
    part = getattr(getattr(combiner, "_key", None), "sub_key", None)
    means = isinstance(combiner, calibration._WeightedLabelsPredictionsExamplesCombiner)
    return (
        all(_is_default(each) for each in computation.preprocessors or [])
        and getattr(combiner, "_aggregation_type", None) is None
        and not getattr(combiner, "_class_weights", None)
        and getattr(combiner, "_extract_label_prediction_and_weight", default) is default
        and getattr(combiner, "_example_id_key", None) is None
        and getattr(combiner, "_enable_fractional_labels", True)
        and not (isinstance(combiner, multi_class_confusion_matrix_metrics._MultiClassConfusionMatrixCombiner)
                 and len(combiner._thresholds) > 1)
        # TFMA counts the last of the best classes alone.
        and not (means and part is not None and part.top_k is not None)
        and not _pads(combiner)
    )  # fmt: skip


def _is_default(preprocessor: metric_types.Preprocessor) -> bool:
    """Says whether it passes on labels, predictions and weights alone."""
    known = {constants.LABELS_KEY, constants.PREDICTIONS_KEY, constants.EXAMPLE_WEIGHTS_KEY}
    return type(preprocessor) is metric_types.StandardMetricInputsPreprocessor and (
        set(preprocessor.include_filter) <= known
    )


def _pads(combiner: Any) -> bool:
    config = getattr(combiner, "_eval_config", None)
    return config is not None and any(spec.HasField("padding_options") for spec in config.model_specs)
