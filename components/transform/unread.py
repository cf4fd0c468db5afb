"""Columns that preprocessing_fn does not read: in each of TensorFlow Transform's graphs, 3,000 of them cost minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow_transform import analyzer_nodes, graph_tools, impl_helper, nodes

MANY = 100
"""For fewer columns the trace that finds those that are read costs more than it saves."""

Unread = tuple[Sequence[str], Sequence[tuple[str, str, Sequence[str]]]]
"""The names of all columns in their order; kind of tensor, type of values and names of those that are not read."""
NONE: Unread = ((), ())

_KINDS = {tf.TensorSpec: "dense", tf.SparseTensorSpec: "sparse", tf.RaggedTensorSpec: "ragged"}


def find_read(preprocessing_fn: Callable[[Any], Mapping[str, Any]], specs: Mapping[str, tf.TypeSpec]) -> frozenset[str]:
    """Returns the columns on which outputs or analyzers depend, by tracing the function once.

    It is what TFT's get_analyze_input_columns and get_transform_input_columns find with a trace each.
    """
    graph, inputs, outputs = impl_helper.trace_preprocessing_function(
        preprocessing_fn, dict(specs), use_tf_compat_v1=False
    )
    visitor = graph_tools.SourcedTensorsVisitor()
    for sink in graph.get_collection(analyzer_nodes.TENSOR_REPLACEMENTS):
        nodes.Traverser(visitor).visit_value_node(sink.future)
    found = graph_tools.get_dependent_inputs(graph, inputs, [*visitor.sourced_tensors, *outputs.values()])
    return frozenset(found)


def list_unread(specs: Mapping[str, tf.TypeSpec], read: Iterable[str]) -> Unread:
    """Returns the columns that are not among those that are read."""
    found: dict[tuple[str, str], list[str]] = {}
    read = set(read)
    for name, spec in specs.items():
        if name not in read:
            found.setdefault((_KINDS[type(spec)], spec.dtype.name), []).append(name)
    return tuple(specs), [(kind, dtype, names) for (kind, dtype), names in found.items()]


def names_of(unread: Unread) -> frozenset[str]:
    """Returns the columns that are not read."""
    return frozenset(name for _, _, names in unread[1] for name in names)


def add_unread(inputs: Mapping[str, Any], unread: Unread) -> dict[str, Any]:
    """Returns the tensors of all columns; those that are not read have no rows, and are one tensor for each kind.

    So the function may name them, count them and go through them, as long as nothing depends on their values.
    """
    order, kinds = unread
    found = dict(inputs)
    for kind, dtype, names in kinds:
        found |= dict.fromkeys(names, _make_empty(kind, tf.as_dtype(dtype)))
    return {name: found[name] for name in order} if kinds else found


def _make_empty(kind: str, dtype: tf.DType) -> Any:
    if kind == "ragged":
        return tf.RaggedTensor.from_row_splits(tf.zeros([0], dtype), tf.zeros([1], tf.int64))
    if kind == "sparse":
        shape = tf.raw_ops.PlaceholderWithDefault(input=tf.constant([0, 1], tf.int64), shape=[2])
        return tf.SparseTensor(tf.zeros([0, 2], tf.int64), tf.zeros([0], dtype), shape)
    return tf.raw_ops.PlaceholderWithDefault(input=tf.zeros([0, 1], dtype), shape=[None, 1])
