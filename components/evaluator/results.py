"""Reads what TFMA wrote: metrics, and why a model was not blessed."""

from __future__ import annotations

from typing import Any

from tensorflow_model_analysis.api import model_eval_lib

# TFMA writes the change against the baseline as further metrics of the candidate.
_DIFF = "_diff"


def read_metrics(uri: str) -> dict[str, dict[str, float]]:
    """Returns each metric of the candidate by slice; the slice of all rows is called `overall`."""
    names = _model_names(uri)
    return _read(uri, "candidate" if "candidate" in names else "")


def read_baseline(uri: str) -> dict[str, dict[str, float]]:
    """Returns each metric of the baseline by slice; empty where there was none."""
    return _read(uri, "baseline") if "baseline" in _model_names(uri) else {}


def _model_names(uri: str) -> list[str]:
    config = model_eval_lib.load_eval_result(uri).config
    return [spec.name for spec in config.model_specs]


def _read(uri: str, model: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for slice_key, outputs in model_eval_lib.load_eval_result(uri, model_name=model or None).slicing_metrics:
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
    reasons = [
        _sentence(name_slice(_key(part.slice_key)), failure)
        for part in result.metric_validations_per_slice
        for failure in part.failures
    ]
    reasons += [f"the slice {_slice_spec(missing)} has a threshold and no rows" for missing in result.missing_slices]
    return reasons


def name_slice(key: Any) -> str:
    """Returns `overall`, or `column=value` for each column of the slice."""
    return ", ".join(f"{column}={value}" for column, value in key) or "overall"


def _key(slice_key: Any) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (
            single.column,
            getattr(single, single.WhichOneof("kind"))
            if single.WhichOneof("kind") != "bytes_value"
            else single.bytes_value.decode("utf-8", "replace"),
        )
        for single in slice_key.single_slice_keys
    )


def _slice_spec(spec: Any) -> str:
    names = [*spec.feature_keys, *(f"{name}={value}" for name, value in spec.feature_values.items())]
    return ", ".join(names) or "overall"


def _sentence(part: str, failure: Any) -> str:
    name = failure.metric_key.name
    value = failure.metric_value.double_value.value
    bounds = []
    threshold = failure.metric_threshold
    if failure.metric_key.is_diff:
        change = threshold.change_threshold
        bounds += [f"at least {change.absolute.value:+.4g}"] if change.HasField("absolute") else []
        bounds += [f"at least {change.relative.value:+.2%}"] if change.HasField("relative") else []
        return (
            f"{name} over {part} changed by {value:+.4f} against the latest blessed model, "
            f"the bound is {', '.join(bounds)}"
        )
    limits = threshold.value_threshold
    bounds += [f"at least {limits.lower_bound.value:g}"] if limits.HasField("lower_bound") else []
    bounds += [f"at most {limits.upper_bound.value:g}"] if limits.HasField("upper_bound") else []
    message = f" ({failure.message})" if not bounds and failure.message else ""
    return f"{name} over {part} is {value:.4f}, the bound is {' and '.join(bounds)}{message}"
