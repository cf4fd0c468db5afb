"""Reads what TFMA wrote: metrics, and why a model was not blessed."""

from __future__ import annotations

import functools
from typing import Any

from tensorflow_model_analysis.api import model_eval_lib
from tensorflow_model_analysis.proto import config_pb2

# TFMA writes the change against the baseline as further metrics of the candidate.
_DIFF = "_diff"

Metrics = dict[str, dict[str, float]]


def read_metrics(uri: str) -> Metrics:
    """Returns each metric of the candidate by slice; the slice of all rows is called `overall`."""
    return _read(uri, candidate_name(uri))


def read_baseline(uri: str) -> Metrics:
    """Returns each metric of the baseline by slice; empty where there was none."""
    return _read(uri, "baseline") if "baseline" in _model_names(uri) else {}


def candidate_name(uri: str) -> str:
    """Returns TFMA's name of the candidate, which has none where there is no baseline."""
    return "candidate" if "candidate" in _model_names(uri) else ""


def is_weighted(uri: str) -> bool:
    """Returns whether rows count by a weight."""
    specs = _load(uri, None).config.model_specs
    return any(spec.example_weight_key or spec.example_weight_keys for spec in specs)


def _model_names(uri: str) -> list[str]:
    return [spec.name for spec in _load(uri, None).config.model_specs]


@functools.lru_cache(maxsize=4)
def _load(uri: str, model: str | None) -> Any:
    """Returns what TFMA wrote, which never changes; it takes a tenth of a second, and is asked for a dozen times."""
    return model_eval_lib.load_eval_result(uri, model_name=model)


def _read(uri: str, model: str) -> Metrics:
    """Names are unique in the configuration, so that output and class need not be part of the key."""
    found: Metrics = {}
    for slice_key, outputs in _load(uri, model or None).slicing_metrics:
        metrics = found.setdefault(name_slice(slice_key), {})
        for by_class in outputs.values():
            for by_metric in by_class.values():
                metrics |= {
                    name: float(value["doubleValue"])
                    for name, value in by_metric.items()
                    if "doubleValue" in value and not name.endswith(_DIFF)
                }
    return found


def read_reasons(uri: str) -> list[str]:
    """Returns one sentence per broken threshold: metric, slice, value against bound; empty where all are kept."""
    result = model_eval_lib.load_validation_result(uri)
    baseline = read_baseline(uri)
    reasons = [
        _sentence(name_slice(read_key(part.slice_key)), failure, baseline)
        for part in result.metric_validations_per_slice
        for failure in part.failures
    ]
    reasons += [f"the slice {name_slicing(missing)} has a threshold and no rows" for missing in result.missing_slices]
    return reasons


def name_slice(key: Any) -> str:
    """Returns `overall`, or `column=value` for each column of the slice."""
    return ", ".join(f"{column}={value}" for column, value in key) or "overall"


def name_slicing(spec: Any) -> str:
    """Returns the same of a slice as it is configured: a column alone stands for each of its values."""
    names = [*spec.feature_keys, *(f"{name}={value}" for name, value in spec.feature_values.items())]
    return ", ".join(names) or "overall"


def read_key(slice_key: Any) -> tuple[tuple[str, Any], ...]:
    """Returns column and value of each part of a slice's key; nothing for all rows."""
    return tuple(
        (
            single.column,
            getattr(single, single.WhichOneof("kind"))
            if single.WhichOneof("kind") != "bytes_value"
            else single.bytes_value.decode("utf-8", "replace"),
        )
        for single in slice_key.single_slice_keys
    )


def _sentence(part: str, failure: Any, baseline: Metrics) -> str:
    name = failure.metric_key.name
    value = failure.metric_value.double_value.value
    if failure.metric_key.is_diff:
        before = baseline.get(part, {}).get(name)
        return f"{name} over {part} {_change(value, before, failure.metric_threshold.change_threshold)}"
    limits = failure.metric_threshold.value_threshold
    bounds = [f"at least {limits.lower_bound.value:g}"] if limits.HasField("lower_bound") else []
    bounds += [f"at most {limits.upper_bound.value:g}"] if limits.HasField("upper_bound") else []
    message = f" ({failure.message})" if failure.message and not failure.HasField("metric_value") else ""
    return f"{name} over {part} is {value:.4f}, the bound is {' and '.join(bounds)}{message}"


def _change(value: float, before: float | None, bound: Any) -> str:
    """Returns `rose by 12.4 against the baseline, the bound is 5`, with shares where the bound is one."""
    moved = "rose" if value > 0 else "fell"
    worse = "fall" if bound.direction == config_pb2.MetricDirection.HIGHER_IS_BETTER else "rise"
    found, bounds = [], []
    if bound.HasField("absolute"):
        found.append(f"{abs(value):.4g}")
        bounds.append(_limit(bound.absolute.value, worse, "{:.4g}"))
    if bound.HasField("relative"):
        found.append(f"{abs(value / before):.2%}" if before else "a share that cannot be computed, from 0")
        bounds.append(_limit(bound.relative.value, worse, "{:.2%}"))
    if value == 0:
        return f"did not change against the baseline, the bound is {' and '.join(bounds)}"
    return f"{moved} by {' or '.join(found)} against the baseline, the bound is {' and '.join(bounds)}"


def _limit(bound: float, worse: str, form: str) -> str:
    """Returns the size of the change the wrong way that is allowed, or of the one the right way that is asked for."""
    allowed = -bound if worse == "fall" else bound
    if allowed >= 0:
        return form.format(allowed)
    return f"a {'rise' if worse == 'fall' else 'fall'} of at least {form.format(-allowed)}"
