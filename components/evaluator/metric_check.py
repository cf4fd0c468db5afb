"""Makes and computes every metric before a run starts: what would fail after the training fails here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tensorflow_model_analysis.metrics import metric_specs

from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.own_metrics import find_own_faults
from hilir.components.evaluator.settings import EvaluateSettings, Metric
from hilir.components.evaluator.trial import compute, make_rows, only, reason


def find_metric_faults(settings: EvaluateSettings, label: str | Mapping[str, str]) -> list[str]:
    """Returns a sentence for each metric that cannot be computed, or whose value its thresholds would not find.

    Args:
        settings: metrics, slices and thresholds.
        label: as for `make_eval_config`.
    """
    faults = [fault for metric in settings.metrics for fault in (*find_own_faults(metric), *_failures(metric))]
    return faults or [*_lost_thresholds(settings, label)]


def _failures(metric: Metric) -> Iterator[str]:
    """Yields why a metric of the table cannot be computed: wrong values of arguments show only then."""
    if metric.module is not None:
        return
    try:
        compute(only(metric), make_rows(metric))
    except Exception as error:  # noqa: BLE001 - Keras and TFMA raise errors of all kinds
        yield f"evaluate.metrics: '{metric.name}', {metric.metric} with {metric.config}, fails: {reason(error)}"


def _lost_thresholds(settings: EvaluateSettings, label: str | Mapping[str, str]) -> Iterator[str]:
    """Yields the metrics whose thresholds TFMA would not find among the values that it computes."""
    config = make_eval_config(settings, label)
    computed = {key for each in metric_specs.to_computations(list(config.metrics_specs), config) for key in each.keys}
    for key in metric_specs.metric_thresholds_from_metrics_specs(config.metrics_specs, config):
        if key._replace(is_diff=False) not in computed:
            yield (
                f"evaluate.thresholds: the metric '{key.name}' gives no single value; "
                f"name one of another class, or remove its threshold"
            )
