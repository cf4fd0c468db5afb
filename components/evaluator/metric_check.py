"""Makes and computes every metric before a run starts: what would fail after the training fails here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import tf_keras as keras
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2

from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.settings import EvaluateSettings, Metric
from hilir.components.evaluator.trial import compute, make_rows


def find_metric_faults(settings: EvaluateSettings, label: str | Mapping[str, str]) -> list[str]:
    """Returns a sentence for each metric that cannot be computed, or whose value its thresholds would not find.

    Args:
        settings: metrics, slices and thresholds.
        label: as for `make_eval_config`.
    """
    faults = [fault for metric in settings.metrics for fault in _own_faults(metric)]
    if faults:
        return faults
    faults = [fault for metric in settings.metrics for fault in _failures(metric)]
    return faults or [*_lost_thresholds(make_eval_config(settings, label))]


def _failures(metric: Metric) -> Iterator[str]:
    """Yields why a metric of the table cannot be computed: wrong values of arguments show only then."""
    if metric.module is not None:
        return
    alone = EvaluateSettings.model_construct(
        output=None, plots=False, metrics=[metric.model_copy(update={"output": None})], slices={}, thresholds=[]
    )
    try:
        compute(make_eval_config(alone, "label"), make_rows(metric))
    except Exception as error:  # noqa: BLE001 - Keras and TFMA raise errors of all kinds
        yield f"evaluate.metrics: '{metric.name}', {metric.metric} with {metric.config}, fails: {_reason(error)}"


def _own_faults(metric: Metric) -> Iterator[str]:
    """Yields what is wrong with a metric of the user's own."""
    if metric.module is None:
        return
    what = f"evaluate.metrics: '{metric.name}'"
    try:
        module = import_module(metric.module)
    except ImportError as error:
        yield f"{what}: the module {metric.module} cannot be imported ({error}); correct 'module'"
        return
    kind = getattr(module, metric.metric, None)
    if kind is None:
        yield f"{what}: {metric.module} has no class {metric.metric}; correct 'class'"
    elif not isinstance(kind, type) or not issubclass(kind, keras.metrics.Metric | metric_types.Metric):
        yield (
            f"{what}: {metric.module}.{metric.metric} is not a metric; "
            f"make it a subclass of tf_keras.metrics.Metric (not of keras.metrics.Metric of Keras 3)"
        )
    elif metric_types.is_registered_metric(metric.metric):
        yield f"{what}: TFMA has a class {metric.metric}, which would be used instead; give yours another name"
    else:
        yield from _unkept_arguments(what, kind, metric)


def _unkept_arguments(what: str, kind: type[Any], metric: Metric) -> Iterator[str]:
    """Workers make the metric anew from its `get_config`, so that an argument it leaves out would be lost."""
    arguments = {"name": metric.name} | metric.config
    try:
        kept = kind(**arguments).get_config()
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything
        yield f"{what}: {metric.metric}(**{arguments}) fails: {_reason(error)}; correct its 'config', or the class"
        return
    for name, value in arguments.items():
        if name not in kept or kept[name] != value:
            yield (
                f"{what}: {metric.metric}.get_config() does not return the argument '{name}', with which workers make "
                f"the metric anew; return super().get_config() | {{'{name}': self.{name}}}"
            )


def _lost_thresholds(config: config_pb2.EvalConfig) -> Iterator[str]:
    """Yields the metrics whose thresholds TFMA would not find among the values that it computes."""
    computed = {key for each in metric_specs.to_computations(list(config.metrics_specs), config) for key in each.keys}
    for key in metric_specs.metric_thresholds_from_metrics_specs(config.metrics_specs, config):
        if key._replace(is_diff=False) not in computed:
            yield (
                f"evaluate.thresholds: the metric '{key.name}' gives no single value; "
                f"name one of another class, or remove its threshold"
            )


def _reason(error: BaseException) -> str:
    """Returns the message of the first cause, without the inputs that TFMA appends to it."""
    while error.__cause__ is not None:
        error = error.__cause__
    # Keras prefaces a constructor's error with the whole configuration.
    text = str(error).rpartition("Exception encountered:")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
