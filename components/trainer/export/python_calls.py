"""Calls of Python in a graph: `tf.py_function` and its like, whose functions only the process that traced them has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hilir.components.errors import ModelPackageError
from hilir.components.trainer.export.safe_names import NamedFunction

_OPS = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})


def require_no_python(signatures: Mapping[str, NamedFunction], package: str) -> None:
    """Checks the signatures of a model before they are saved: here they can be called, on no server.

    Raises:
        ModelPackageError: one of them calls Python.
    """
    found = {name: calls for name, named in signatures.items() if (calls := sorted(_list_calls(named.function)))}
    if found:
        name = "transform_features" if "transform_features" in found else next(iter(found))
        where = f"{package}.preprocessing.preprocessing_fn" if name == "transform_features" else f"{package}.model"
        raise ModelPackageError(
            f"{where} calls a Python function while it computes ({found[name][0]}, that is "
            f"tf.py_function, tf.numpy_function or tft.apply_pyfunc), which no server of the model has; "
            f"write it with TensorFlow's operations"
        )


def _list_calls(function: Any) -> Iterator[str]:
    graph = function.graph.as_graph_def()
    parts = [graph.node, *(each.node_def for each in graph.library.function)]
    return (f"{node.op} at {node.name}" for nodes in parts for node in nodes if node.op in _OPS)
