"""Turns the settings into TFMA's configuration."""

from __future__ import annotations

import json

from tensorflow_model_analysis.proto import config_pb2

from hilir.components.evaluator.settings import EvaluateSettings, Slice, Threshold


def make_eval_config(settings: EvaluateSettings, label: str) -> config_pb2.EvalConfig:
    """Returns the configuration of the Evaluator.

    The model is called by its signature `examples`, the label comes from its signature `label`.

    Args:
        settings: metrics, slices and thresholds.
        label: name of the label among the transformed features.
    """
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(signature_name="examples", label_key=label, preprocessing_function_names=["label"])
        ],
        slicing_specs=[config_pb2.SlicingSpec(), *(_slicing(part) for part in settings.slices.values())],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(
                        class_name=metric.metric,
                        config=json.dumps({"name": metric.name} | metric.config),
                        **_bounds(settings, metric.name),
                    )
                    for metric in settings.metrics
                ]
            )
        ],
    )


def _slicing(part: Slice) -> config_pb2.SlicingSpec:
    return config_pb2.SlicingSpec(
        feature_keys=part.features, feature_values={name: str(value) for name, value in part.values.items()}
    )


def _bounds(settings: EvaluateSettings, metric: str) -> dict[str, object]:
    """Returns the thresholds of one metric, each with its slice.

    Those over all rows are written as a slice too: TFMA applies a bare `threshold` to every slice that there is.
    """
    return {
        "per_slice_thresholds": [
            config_pb2.PerSliceMetricThreshold(
                slicing_specs=[_slicing(settings.slices[bound.slice]) if bound.slice else config_pb2.SlicingSpec()],
                threshold=_threshold(bound),
            )
            for bound in settings.thresholds
            if bound.metric == metric
        ]
    }


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
