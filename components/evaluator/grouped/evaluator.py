"""TFMA's evaluator of metrics and plots, in a form that takes batches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.api import types
from tensorflow_model_analysis.evaluators import evaluator, metrics_validator
from tensorflow_model_analysis.evaluators import metrics_plots_and_validations_evaluator as stock
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib as slicer
from tensorflow_model_analysis.utils import model_util

from hilir.components.evaluator.grouped.accumulate import Accumulate, MergeParts
from hilir.components.evaluator.grouped.batched_metrics import make_plan

_log = logging.getLogger(__name__)


def find_obstacle(config: config_pb2.EvalConfig, models: Sequence[types.EvalSharedModel]) -> str | None:
    """Returns why an evaluation needs TFMA's evaluator, which goes row by row; None where it does not."""
    options = config.options
    if options.compute_confidence_intervals.value:
        return "confidence intervals"
    if config.cross_slicing_specs:
        return "comparisons of slices"
    if options.min_slice_size.value > 1:
        return "a least number of rows of a slice"
    if any(spec.query_key for spec in config.metrics_specs):
        return "metrics over groups of rows"
    if any(model.include_default_metrics and model.model_type == constants.TF_KERAS for model in models):
        return "metrics that a Keras model carries"
    return None


def make_evaluator(config: config_pb2.EvalConfig, run_after: str) -> evaluator.Evaluator:
    """Returns the evaluator for batches of extracts.

    Args:
        config: of which `find_obstacle` found nothing.
        run_after: name of the extractor after which it runs.
    """
    return evaluator.Evaluator(
        stage_name="EvaluateMetricsAndPlots", run_after=run_after, ptransform=EvaluateBatches(config)
    )


class EvaluateBatches(beam.PTransform):
    """Computes metrics and plots by slice, and validates them: what TFMA's evaluator does with single rows."""

    def __init__(self, config: config_pb2.EvalConfig) -> None:
        super().__init__()
        self._config = config

    def expand(self, extracts: Any) -> dict[str, Any]:
        """Returns metrics, plots, attributions and validations by slice."""
        config = self._config
        separated = stock._filter_and_separate_computations(
            metric_specs.to_computations(list(config.metrics_specs), eval_config=config)
        )
        plan = make_plan(separated.non_derived_computations)
        baseline = model_util.get_baseline_model_spec(config)
        specs = [slicer.SingleSliceSpec(spec=spec) for spec in config.slicing_specs] or [slicer.SingleSliceSpec()]
        found = (
            extracts
            | "AddUp" >> beam.ParDo(Accumulate(plan, specs, config))
            | "CombineMetricsPerSlice" >> beam.CombinePerKey(MergeParts(plan))
            | "AddDerivedAndDiffMetrics"
            >> stock._AddDerivedCrossSliceAndDiffMetrics(
                separated.derived_computations,
                separated.cross_slice_computations,
                [],
                baseline.name if baseline else None,
            )
            | "AddCIDerivedMetrics" >> beam.Map(stock._add_ci_derived_metrics, separated.ci_derived_computations)
            | "RemovePrivateMetrics" >> beam.MapTuple(stock._remove_private_metrics)
        )
        kinds = {
            constants.METRICS_KEY: metric_types.MetricKey,
            constants.PLOTS_KEY: metric_types.PlotKey,
            constants.ATTRIBUTIONS_KEY: metric_types.AttributionsKey,
        }
        results = {
            name: found | f"Filter {name}" >> beam.Map(stock._filter_by_key_type, kind) for name, kind in kinds.items()
        }
        results[constants.VALIDATIONS_KEY] = results[constants.METRICS_KEY] | "ValidateMetrics" >> beam.Map(
            metrics_validator.validate_metrics, config
        )
        return results
