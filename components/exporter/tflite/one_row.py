"""A network for exactly one row at a time, whose loops the converter can lower.

Keras' recurrent layers keep their outputs in lists whose elements have the shape [rows, units]. The number of rows is
written down as unknown where the network was traced, and stays so in the graph of a caller that has one row; the
converter wants it known. Layers that it has an operator for (LSTM) need none of this, and would lose that operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

_ELEMENT_SHAPE = {"TensorListReserve": 0, "TensorListFromTensor": 1, "TensorListStack": 1, "TensorListGetItem": 2}
"""Which input of an operation is the shape of the list's elements."""

Network = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]


def fix_rows(network: Network, specs: Mapping[str, tf.TensorSpec]) -> Network:
    """Returns the network with its weights as constants, and lists for one row.

    Args:
        network: takes the inputs by name.
        specs: its inputs for one row, [1, …].

    Raises:
        ValueError: it holds what cannot be a constant, such as a table.
    """
    names = list(specs)
    tensors = [tf.TensorSpec(specs[name].shape, specs[name].dtype, f"input_{at}") for at, name in enumerate(names)]

    def call(*values: tf.Tensor) -> dict[str, tf.Tensor]:
        return network(dict(zip(names, values, strict=True)))

    traced = tf.function(call, input_signature=tensors, autograph=False).get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False, aggressive_inlining=True)
    graph = frozen.graph.as_graph_def()
    for nodes in _all_nodes(graph):
        _write_one_row({node.name: node for node in nodes})
    _rename_functions(graph)
    imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    pruned = imported.prune([each.name for each in frozen.inputs], [each.name for each in frozen.outputs])
    outputs = sorted(traced.structured_outputs)

    def one_row(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return dict(zip(outputs, pruned(*(features[name] for name in names)), strict=True))

    return one_row


def _all_nodes(graph: graph_pb2.GraphDef) -> Iterable[Any]:
    return [graph.node, *(function.node_def for function in graph.library.function)]


def _write_one_row(nodes: Mapping[str, Any]) -> None:
    for node in nodes.values():
        if node.op not in _ELEMENT_SHAPE:
            continue
        source = nodes.get(_producer(node.input[_ELEMENT_SHAPE[node.op]]))
        while source is not None and source.op == "Identity":
            source = nodes.get(_producer(source.input[0]))
        if source is None or source.op != "Const":
            continue
        shape = tf.make_ndarray(source.attr["value"].tensor)
        if shape.ndim == 1 and shape[0] == -1 and (shape[1:] >= 0).all():
            known: np.ndarray = np.where(shape == -1, 1, shape).astype(shape.dtype)
            source.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(known))


def _producer(name: str) -> str:
    return name.partition(":")[0]


def _rename_functions(graph: graph_pb2.GraphDef) -> None:
    """Gives the changed functions names of their own; TensorFlow has the old ones still."""
    names = {each.signature.name: f"{each.signature.name}_of_one_row" for each in graph.library.function}
    for function in graph.library.function:
        function.signature.name = names[function.signature.name]
    for nodes in _all_nodes(graph):
        for node in nodes:
            node.op = names.get(node.op, node.op)
            for attribute in node.attr.values():
                called = [attribute.func] if attribute.HasField("func") else attribute.list.func
                for function in called:
                    function.name = names.get(function.name, function.name)
