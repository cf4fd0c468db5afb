"""The raw columns that only the label may see: declared by the package, or found by tracing its preprocessing_fn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import tensorflow as tf
from tensorflow_transform import impl_helper


def find_label_columns(
    declared: Collection[str] | None,
    labels: Collection[str],
    preprocessing_fn: Callable[[Any], Mapping[str, Any]],
    specs: Mapping[str, tf.TypeSpec],
) -> frozenset[str]:
    """Returns the columns that only the label may see.

    Args:
        declared: `features.LABEL_COLUMNS`; if None, they are the columns on which labels depend and no feature does.
        labels: the labels among what `preprocessing_fn` returns.
        preprocessing_fn: the user's.
        specs: what it takes, by column.
    """
    if declared is not None:
        return frozenset(declared)
    # TFT's own analysis follows control edges: there, all outputs depend on each column that is looked up in a table.
    _, inputs, outputs = impl_helper.trace_preprocessing_function(preprocessing_fn, dict(specs), use_tf_compat_v1=False)
    columns = {each.op: name for name in inputs for each in tf.nest.flatten(inputs[name], expand_composites=True)}
    read = {name: _find_read(value, columns) for name, value in outputs.items()}
    of_labels = frozenset[str]().union(*(found for name, found in read.items() if name in labels))
    return of_labels.difference(*(found for name, found in read.items() if name not in labels))


def _find_read(value: Any, columns: Mapping[tf.Operation, str]) -> frozenset[str]:
    """Returns the columns that an output is computed from."""
    waiting = [each.op for each in tf.nest.flatten(value, expand_composites=True)]
    seen = set(waiting)
    while waiting:
        new = {each.op for each in waiting.pop().inputs} - seen
        seen |= new
        waiting += new
    return frozenset(columns[each] for each in seen if each in columns)
