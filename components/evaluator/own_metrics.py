"""Checks a metric of the user's own before a run: that it can be made, and added up over batches."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import tf_keras as keras
from tensorflow_model_analysis.metrics import metric_types

from hilir.components.evaluator.settings import Metric
from hilir.components.evaluator.trial import SAMPLES, Batches, compute, only, reason


def find_own_faults(metric: Metric) -> Iterator[str]:
    """Yields what is wrong with the metric; nothing for one of the table."""
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
        yield (
            f"{what}: TFMA has a class {metric.metric}, which would be used instead; "
            f"leave 'module' out to use it, or give yours another name"
        )
    else:
        for fault in _misfits(kind, metric):
            yield f"{what}: {metric.metric}{fault}"


def _misfits(kind: type[Any], metric: Metric) -> Iterator[str]:
    """Yields why workers could not compute the class as it was written."""
    arguments = {"name": metric.name} | metric.config
    try:
        made = kind(**arguments)
        kept = made.get_config()
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything
        yield f"(**{arguments}) fails: {reason(error)}; correct its 'config', or the class"
        return
    lost = [name for name, value in arguments.items() if name not in kept or kept[name] != value]
    for name in lost:
        yield (
            f".get_config() does not return the argument '{name}', with which workers make the metric anew; "
            f"return super().get_config() | {{'{name}': self.{name}}}"
        )
    if lost or not isinstance(made, keras.metrics.Metric):
        return
    try:
        inspect.signature(kind.update_state).bind(None, None, None, None)
    except TypeError:
        yield ".update_state needs a third argument; write sample_weight=None"
        return
    yield from next((faults for batches in SAMPLES if (faults := _wrong_sums(kind, metric, batches))), [])


def _wrong_sums(kind: type[Any], metric: Metric, batches: Batches) -> list[str]:
    """Returns why the metric is wrong over batches; a metric need not take each kind of rows."""
    direct = kind(name=metric.name, **metric.config)
    try:
        for labels, scores in batches:
            # TFMA gives each row a weight, 1 if nothing else: a mean per batch then counts its rows.
            direct.update_state(labels, scores, sample_weight=np.ones(len(labels), np.float32))
        result = np.asarray(direct.result())
    except Exception:  # noqa: BLE001 - the user's code may raise anything
        return []
    if result.size != 1:
        return [f".result() has {result.size} values, and a metric is one; return one"]
    try:
        merged = compute(only(metric.model_copy(update={"class_id": None, "top_k": None, "k": None})), batches)
    except Exception as error:  # noqa: BLE001 - TFMA raises errors of all kinds
        return [f" cannot be computed over batches: {reason(error)}; keep sums and counts as weights"]
    found = merged[metric.name]
    if np.isclose(found, result.item(), rtol=1e-3, equal_nan=True):
        return []
    return [
        f" gives {result.item():.6g} over two batches in a row, and {found:.6g} where the weights of both are added "
        f"up, as workers do; keep sums and counts as weights"
    ]
