"""Turns the settings into TFMA's configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from tensorflow_model_analysis.proto import config_pb2

from hilir.components.evaluator.metric_classes import CLASSES, FROM_KERAS
from hilir.components.evaluator.settings import EvaluateSettings, Metric, Slice, Threshold

_CALIBRATION_BUCKETS = 20
_PLOT_THRESHOLDS = 100
_KERAS_METRICS = "hilir.components.evaluator.keras_metrics"

# What TFMA keeps apart: the output, and which of its scores.
_Part = tuple[str | None, int | None, int | None, int | None]

# Counts rows, whatever they weigh: TFMA would add up the weights, as its WeightedExampleCount does.
_ROWS = "ExampleCount"


def make_eval_config(
    settings: EvaluateSettings, label: str | Mapping[str, str], weight: str | None = None
) -> config_pb2.EvalConfig:
    """Returns the configuration of the Evaluator.

    The model is called by its signature `examples`, the label comes from the candidate's signature `label`.

    Args:
        settings: metrics, slices and thresholds.
        label: name of the label among the transformed features, or by the name of the output that it belongs to.
        weight: raw column with the weight of each row; None: all count alike.
    """
    labels = {"label_key": label} if isinstance(label, str) else {"label_keys": dict(label)}
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(signature_name="examples", example_weight_key=weight or "", **labels)],
        slicing_specs=[config_pb2.SlicingSpec(), *(_slicing(part) for part in settings.slices.values())],
        metrics_specs=list(_metrics_specs(settings, weighted=weight is not None)),
    )


def _metrics_specs(settings: EvaluateSettings, *, weighted: bool) -> Iterator[config_pb2.MetricsSpec]:
    """Yields the metrics that read the same output and part of it together; the plots last."""
    parts: dict[_Part, list[Metric]] = {}
    for metric in settings.metrics:
        class_id = metric.class_id if isinstance(metric.class_id, int) else None
        parts.setdefault((settings.output_of(metric), class_id, metric.top_k, metric.k), []).append(metric)
    for part, metrics in parts.items():
        spec = _metrics_spec(part)
        rows = [metric for metric in metrics if weighted and metric.module is None and metric.metric == _ROWS]
        spec.metrics.extend(_metric_config(settings, metric) for metric in metrics if metric not in rows)
        if spec.metrics:
            yield spec
        if rows:
            plain = _metrics_spec(part)
            plain.example_weights.unweighted = True
            plain.metrics.extend(_metric_config(settings, metric) for metric in rows)
            yield plain
    if settings.plots:
        for part, metrics in parts.items():
            if part[1:] == (None, None, None):
                yield from _plots(part, metrics)


def _metrics_spec(part: _Part) -> config_pb2.MetricsSpec:
    output, class_id, top_k, k = part
    spec = config_pb2.MetricsSpec(output_names=[output] if output else [])
    if class_id is not None:
        spec.binarize.class_ids.values.append(class_id)
    if top_k is not None:
        spec.binarize.top_k_list.values.append(top_k)
    if k is not None:
        spec.binarize.k_list.values.append(k)
    return spec


def _metric_config(settings: EvaluateSettings, metric: Metric) -> config_pb2.MetricConfig:
    name, module = metric.metric, metric.module
    if module is None and name in FROM_KERAS:
        name, module = f"Keras{name}", _KERAS_METRICS
    return config_pb2.MetricConfig(
        class_name=name,
        module=module or "",
        config=json.dumps({"name": metric.name} | metric.config),
        per_slice_thresholds=_bounds(settings, metric.name),
    )


def _plots(part: _Part, metrics: list[Metric]) -> Iterator[config_pb2.MetricsSpec]:
    """Yields the plots of an output whose metrics say that it is one of classification."""
    kinds = {CLASSES[metric.metric].kind for metric in metrics if metric.module is None}
    wanted: dict[str, dict[str, int]] = {}
    if "classes" in kinds:
        wanted = {"MultiClassConfusionMatrixPlot": {}}
    elif "binary" in kinds:
        wanted = {
            "CalibrationPlot": {"num_buckets": _CALIBRATION_BUCKETS},
            "ConfusionMatrixPlot": {"num_thresholds": _PLOT_THRESHOLDS},
        }
    if wanted:
        spec = _metrics_spec(part)
        spec.metrics.extend(
            config_pb2.MetricConfig(class_name=name, config=json.dumps(config)) for name, config in wanted.items()
        )
        yield spec


def _slicing(part: Slice) -> config_pb2.SlicingSpec:
    return config_pb2.SlicingSpec(
        feature_keys=part.features, feature_values={name: str(value) for name, value in part.values.items()}
    )


def _bounds(settings: EvaluateSettings, metric: str) -> list[config_pb2.PerSliceMetricThreshold]:
    """Returns the thresholds of one metric, each with its slice.

    Those over all rows are written as a slice too: TFMA applies a bare `threshold` to every slice that there is.
    """
    return [
        config_pb2.PerSliceMetricThreshold(
            slicing_specs=[_slicing(settings.slices[bound.slice]) if bound.slice else config_pb2.SlicingSpec()],
            threshold=_threshold(bound),
        )
        for bound in settings.thresholds
        if bound.metric == metric
    ]


def _threshold(bound: Threshold) -> config_pb2.MetricThreshold:
    threshold = config_pb2.MetricThreshold()
    if bound.min is not None:
        threshold.value_threshold.lower_bound.value = bound.min
    if bound.max is not None:
        threshold.value_threshold.upper_bound.value = bound.max
    if bound.change is not None:
        change = threshold.change_threshold
        higher = bound.better == "higher"
        change.direction = (
            config_pb2.MetricDirection.HIGHER_IS_BETTER if higher else config_pb2.MetricDirection.LOWER_IS_BETTER
        )
        if bound.change.absolute is not None:
            change.absolute.value = bound.change.absolute
        if bound.change.relative is not None:
            change.relative.value = bound.change.relative
    return threshold
