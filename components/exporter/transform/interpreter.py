"""Computes a program with NumPy alone: what an edge device does before it calls its model.

The same steps are computed by `preprocessing.js` in a browser and by `in_graph.py` inside a TensorFlow Lite model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hilir.components.exporter.transform.transform_program import Output, Program

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "power": np.power,
    "floor_divide": np.floor_divide,
    "floor_mod": np.mod,
}
_UNARY: dict[str, Callable[[Any], Any]] = {
    "not": np.logical_not,
    "negative": np.negative,
    "absolute": np.absolute,
    "sqrt": np.sqrt,
    "square": np.square,
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "floor": np.floor,
    "ceil": np.ceil,
    "is_nan": np.isnan,
    "sigmoid": lambda value: 1 / (1 + np.exp(-value)),
    "tanh": np.tanh,
    "sign": np.sign,
}


def transform(program: Program, rows: Mapping[str, list[Any]]) -> dict[str, np.ndarray]:
    """Returns the transformed features by name, each of shape [rows, …].

    Args:
        program: what to compute.
        rows: each raw feature's values, one per row; None where a row has none.
    """
    count = len(next(iter(rows.values())))
    missing = {name: _is_missing(rows[name]) for name, found in program.inputs.items() if found.optional}
    values: list[np.ndarray] = []
    with np.errstate(all="ignore"):
        for step in program.steps:
            if step["op"] == "input":
                values.append(_to_array(program, rows, step["feature"], count))
                continue
            if step["op"] == "fill_missing":
                value, other = (values[at] for at in step["args"])
                values.append(np.where(missing[step["feature"]][:, None], other, value).astype(_dtype(step["dtype"])))
                continue
            values.append(compute(step, [values[at] for at in step.get("args", [])], program.vocabularies))
    return {name: _shape(values[out.step], out, count) for name, out in program.outputs.items()}


def _shape(value: np.ndarray, out: Output, count: int) -> np.ndarray:
    # A value that depends on no feature has one row.
    flat = np.broadcast_to(value, (count, max(value.shape[1], math.prod(out.shape))))
    shaped: np.ndarray = flat.reshape(count, *out.shape).astype(_dtype(out.dtype))
    return shaped


def compute(
    step: dict[str, Any], arguments: list[np.ndarray], vocabularies: Mapping[str, tuple[Any, ...]]
) -> np.ndarray:
    """Returns the value of one step whose arguments are known.

    Raises:
        ValueError: there is no such operation.
    """
    name = step["op"]
    if name in _BINARY:
        result: np.ndarray = _BINARY[name](*arguments)
    elif name in _UNARY:
        result = _UNARY[name](*arguments)
    elif name == "constant":
        result = np.asarray(step["value"], _dtype(step["dtype"])).reshape(1, -1)
    elif name == "cast":
        result = arguments[0]
    elif name == "select":
        result = np.where(*arguments)
    elif name == "bucketize":
        boundaries = np.asarray(step["boundaries"], arguments[0].dtype)
        result = np.asarray(np.searchsorted(boundaries, arguments[0], side="right"))
    elif name == "lookup":
        index = {word: at for at, word in enumerate(vocabularies[step["vocabulary"]])}
        found = [index.get(word, step["otherwise"]) for word in arguments[0].reshape(-1).tolist()]
        result = np.asarray(found).reshape(arguments[0].shape)
    elif name == "concat":
        rows = max(len(argument) for argument in arguments)
        result = np.concatenate([np.broadcast_to(one, (rows, one.shape[1])) for one in arguments], axis=1)
    elif name == "one_hot":
        places = arguments[0][:, :, None] == np.arange(step["depth"])
        result = np.where(places, step["on"], step["off"]).reshape(len(places), -1)
    else:
        raise ValueError(f"preprocessing.json has the operation '{name}', which this version does not know")
    converted: np.ndarray = np.asarray(result).astype(_dtype(step["dtype"]))
    return converted


def _dtype(name: str) -> Any:
    return object if name == "string" else name


def _is_missing(column: list[Any]) -> np.ndarray:
    missing: np.ndarray = np.array([_lacks(value) for value in column])
    return missing


def _lacks(value: Any) -> bool:
    return value is None or value == []


def _to_array(program: Program, rows: Mapping[str, list[Any]], feature: str, count: int) -> np.ndarray:
    spec = program.inputs[feature]
    empty: Any = "" if spec.dtype == "string" else 0
    size = math.prod(spec.shape)
    filler = [empty] * size if size > 1 else empty
    column = [filler if _lacks(value) else value for value in rows[feature]]
    array: np.ndarray = np.array(column, _dtype(spec.dtype)).reshape(count, -1)
    return array
