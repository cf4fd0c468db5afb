"""Reads the transform graph of a SavedModel and writes down what it computes as a program."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import function_def_to_graph

from hilir.components.exporter.errors import PreprocessingError
from hilir.components.exporter.transform.interpreter import compute
from hilir.components.exporter.transform.transform_program import Input, Output, Program, ProgramBuilder

SIGNATURE = "transform_features"

_BINARY = {
    "Add": "add", "AddV2": "add", "Sub": "subtract", "Mul": "multiply", "RealDiv": "divide", "Div": "divide",
    "Minimum": "minimum", "Maximum": "maximum", "Equal": "equal", "NotEqual": "not_equal", "Less": "less",
    "LessEqual": "less_equal", "Greater": "greater", "GreaterEqual": "greater_equal", "LogicalAnd": "and",
    "LogicalOr": "or", "Pow": "power", "FloorDiv": "floor_divide", "FloorMod": "floor_mod",
}  # fmt: skip
_UNARY = {
    "LogicalNot": "not", "Neg": "negative", "Abs": "absolute", "Sqrt": "sqrt", "Square": "square", "Exp": "exp",
    "Log": "log", "Log1p": "log1p", "Floor": "floor", "Ceil": "ceil", "IsNan": "is_nan", "Sigmoid": "sigmoid",
    "Tanh": "tanh", "Sign": "sign",
}  # fmt: skip
# The order of the elements stays, so that a row's own elements stay its own.
_SAME = {"Identity", "StopGradient", "PreventGradient", "EnsureShape", "Reshape", "ExpandDims", "Squeeze", "Snapshot"}
_WIDER = {"OneHot", "ConcatV2", "Pack"}
_SHAPES = {"Shape", "Size", "Rank"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}


@dataclass(frozen=True)
class _Step:
    """Position of a step in the program."""

    at: int


@dataclass(frozen=True)
class _Part:
    """Indices or shape of the sparse tensor of a raw feature."""

    feature: str


@dataclass(frozen=True)
class _Table:
    """A table that the graph looks values up in."""

    name: str
    handle: tf.Tensor


_SHAPE = object()
"""Something computed from shapes only."""


def read_program(loaded: Any, outputs: Sequence[str], several: Collection[str] = ()) -> Program:
    """Returns what the signature `transform_features` computes for the named transformed features.

    Args:
        loaded: the SavedModel, as `tf.saved_model.load` returns it.
        outputs: the transformed features that the network takes.
        several: the raw features of which a row may have several values.

    Raises:
        PreprocessingError: the graph holds an operation that the program has no word for.
    """
    function = loaded.signatures[SIGNATURE]
    library = {part.signature.name: part for part in function.graph.as_graph_def().library.function}
    reader = _Reader(library, several)
    env = _bind_captures(function)
    wanted = {name: function.structured_outputs[name] for name in outputs}
    tensors = dict(zip(sorted(function.structured_outputs), function.outputs, strict=True))
    found = {}
    for name, spec in wanted.items():
        value = reader.as_step(reader.read(tensors[name], env), tensors[name].op)
        # A sparse feature has as many columns as its longest row, and no row has more than one value here.
        found[name] = Output(value, spec.dtype.name, tuple(1 if size is None else size for size in spec.shape[1:]))
    return reader.builder.build(reader.inputs, found)


def _bind_captures(function: Any) -> dict[str, Any]:
    """Returns the values of all that the function holds from outside: constants and vocabularies."""
    env: dict[str, Any] = {}
    held = function.graph.inputs[len(function.graph.inputs) - len(function.captured_inputs) :]
    for index, (placeholder, value) in enumerate(zip(held, function.captured_inputs, strict=True)):
        if value.dtype == tf.resource:
            env[placeholder.name] = _Table(f"vocabulary_{index}", value)
        else:
            env[placeholder.name] = value.numpy()
    return env


def _read_words(table: _Table, keys: tf.DType, values: tf.DType) -> tuple[Any, ...]:
    """Returns the words in the order of their indices.

    The types are those of the lookup; any others would abort the process.
    """
    words, indices = tf.raw_ops.LookupTableExportV2(table_handle=table.handle, Tkeys=keys, Tvalues=values)
    order = np.argsort(indices.numpy())
    if keys not in (tf.string, tf.int64) or not np.array_equal(indices.numpy()[order], np.arange(len(order))):
        raise PreprocessingError(
            f"the transform graph has a table from {keys.name} to {values.name} whose values are not 0, 1, 2, …; "
            f"only vocabularies of text or whole numbers can leave TensorFlow"
        )
    return tuple(_plain(word) for word in words.numpy()[order].tolist())


def _decode(value: np.ndarray) -> np.ndarray:
    """Returns a constant with str instead of TensorFlow's bytes."""
    if value.dtype.kind not in "OS":
        return value
    words: np.ndarray = np.array([_plain(word) for word in value.reshape(-1).tolist()], object)
    return words.reshape(value.shape)


def _plain(word: bytes | str | int) -> str | int:
    try:
        return word.decode() if isinstance(word, bytes) else word
    except UnicodeDecodeError:
        raise PreprocessingError(
            f"the transform graph has the word {word!r}, which is not UTF-8 text; "
            f"clean that column in preprocessing_fn or before it"
        ) from None


class _Reader:
    """Walks from the outputs to the raw features; each graph's tensors are read once."""

    def __init__(self, library: dict[str, Any], several: Collection[str]) -> None:
        self._library = library
        self._several = several
        self.builder = ProgramBuilder()
        self.inputs: dict[str, Input] = {}
        self._calls: dict[tuple[int, str], tuple[Any, dict[str, Any]]] = {}

    def read(self, tensor: tf.Tensor, env: dict[str, Any]) -> Any:
        """Returns what the tensor is; `env` holds what is known already in its graph."""
        if tensor.name not in env:
            env[tensor.name] = self._read_op(tensor.op, tensor.value_index, env)
        if isinstance(env[tensor.name], PreprocessingError):
            raise env[tensor.name]
        return env[tensor.name]

    def as_step(self, value: Any, op: tf.Operation) -> int:
        """Returns the position of a value in the program."""
        if isinstance(value, _Step):
            return value.at
        if isinstance(value, np.ndarray | np.generic):
            return self.builder.add_constant(_decode(np.asarray(value)))
        raise _refusal(op)

    def _read_op(self, op: tf.Operation, index: int, env: dict[str, Any]) -> Any:
        if op.type in _CALLS:
            return self._call(op, index, env)
        if op.type == "Const":
            return tf.make_ndarray(op.get_attr("value"))
        if op.type in _SHAPES:
            return _SHAPE
        if op.type == "ParseExampleV2":
            return self._parse(op, index, env)
        arguments = [self.read(tensor, env) for tensor in op.inputs]
        if op.type in ("Pack", "StridedSlice", "Prod", "ConcatV2") and not any(isinstance(a, _Step) for a in arguments):
            return _SHAPE
        # A sparse column is given room for one value a row.
        if op.type == "Maximum" and any(argument is _SHAPE for argument in arguments):
            return _SHAPE
        if op.type in _SAME or (op.type == "StridedSlice" and _keeps_elements(op)):
            return arguments[0]
        if op.type in _WIDER:
            return self._widen(op, arguments)
        return self._compute(op, arguments)

    def _compute(self, op: tf.Operation, arguments: list[Any]) -> Any:
        dtype = op.outputs[0].dtype.name
        match op.type:
            case "ZerosLike" | "OnesLike":
                return np.full((), op.type == "OnesLike", dtype)
            case "Select" | "SelectV2":
                if isinstance(arguments[0], np.ndarray) and arguments[0].size == 1:
                    return arguments[1] if arguments[0].item() else arguments[2]
                return self._add("select", dtype, op, arguments)
            case "Cast":
                return self._add("cast", dtype, op, arguments)
            case "UpperBound":
                boundaries = arguments[0].reshape(-1).tolist()
                return self._add("bucketize", dtype, op, arguments[1:], boundaries=boundaries)
            case "Bucketize":
                return self._add("bucketize", dtype, op, arguments, boundaries=list(op.get_attr("boundaries")))
            case "LookupTableSizeV2":
                return np.int64(tf.raw_ops.LookupTableSizeV2(table_handle=arguments[0].handle).numpy())
            case "LookupTableFindV2":
                table, value, otherwise = arguments
                words = _read_words(table, op.get_attr("Tin"), op.get_attr("Tout"))
                name = self._name_vocabulary(table, words, value)
                return self._add("lookup", dtype, op, [value], vocabulary=name, otherwise=int(otherwise))
            case "StringToHashBucketFast" if op.get_attr("num_buckets") == 1:
                return np.int64(0)
            case "SparseToDense" if isinstance(arguments[0], _Part):
                return self._fill(op, arguments[0].feature, dtype, arguments[2:])
        if op.type in _BINARY | _UNARY:
            return self._add((_BINARY | _UNARY)[op.type], dtype, op, arguments)
        raise _refusal(op)

    def _widen(self, op: tf.Operation, arguments: list[Any]) -> Any:
        """Adds what gives a row more elements than its arguments have."""
        dtype, values = op.outputs[0].dtype.name, list(op.inputs)
        match op.type:
            case "OneHot" if op.get_attr("axis") == -1 and all(isinstance(a, np.ndarray) for a in arguments[1:]):
                depth, on, off = (value.item() for value in arguments[1:])
                return self._add("one_hot", dtype, op, arguments[:1], depth=depth, on=on, off=off)
            case "ConcatV2" if _is_last(arguments.pop()) and all(value.shape.rank == 2 for value in values[:-1]):
                return self._add("concat", dtype, op, arguments)
            case "Pack" if op.get_attr("axis") in (1, -1) and all(value.shape.rank == 1 for value in values):
                return self._add("concat", dtype, op, arguments)
        raise _refusal(op)

    def _fill(self, op: tf.Operation, feature: str, dtype: str, arguments: list[Any]) -> Any:
        value, other = arguments
        is_input = isinstance(value, _Step) and self.builder.steps[value.at]["op"] == "input"
        if is_input and isinstance(other, np.ndarray) and other.dtype == object and other.item() == b"":
            return value  # a missing string is an empty one already
        return self._add("fill_missing", dtype, op, arguments, feature=feature)

    def _add(self, name: str, dtype: str, op: tf.Operation, arguments: list[Any], **attributes: Any) -> Any:
        filled = [at for at, value in enumerate(arguments) if self._is_filled_text(value)]
        if len(filled) == 1 and name != "fill_missing":
            # TensorFlow Lite cannot choose between texts: what is computed of both is chosen from.
            (at,) = filled
            step = self.builder.steps[arguments[at].at]
            value, other = step["args"]
            given = _Step(value), np.array(self.builder.steps[other]["value"], object)
            both = [
                self._add(name, dtype, op, [*arguments[:at], each, *arguments[at + 1 :]], **attributes)
                for each in given
            ]
            return self._add("fill_missing", dtype, op, both, feature=step["feature"])
        if all(isinstance(value, np.ndarray | np.generic) for value in arguments) and "feature" not in attributes:
            step = {"op": name, "dtype": dtype, **attributes}
            return compute(step, [_decode(np.asarray(value)) for value in arguments], self.builder.vocabularies)
        return _Step(self.builder.add(name, dtype, [self.as_step(value, op) for value in arguments], **attributes))

    def _is_filled_text(self, value: Any) -> bool:
        """Whether a value is a text, and a known one where that is missing."""
        if not isinstance(value, _Step):
            return False
        step = self.builder.steps[value.at]
        is_filled = (step["op"], step["dtype"]) == ("fill_missing", "string")
        return is_filled and bool(self.builder.steps[step["args"][1]]["op"] == "constant")

    def _name_vocabulary(self, table: _Table, words: tuple[Any, ...], value: Any) -> str:
        """Keeps the words under the name of the raw feature where they are looked up in it directly."""
        step = self.builder.steps[value.at] if isinstance(value, _Step) else {}
        name: str = step.get("feature", table.name)
        if self.builder.vocabularies.setdefault(name, words) != words:
            name = table.name
            self.builder.vocabularies[name] = words
        return name

    def _call(self, op: tf.Operation, index: int, env: dict[str, Any]) -> Any:
        key = (id(op.graph), op.name)
        if key not in self._calls:
            inner = function_def_to_graph.function_def_to_graph(self._library[op.get_attr("f").name])
            bound = {p.name: self._argument(tensor, env) for p, tensor in zip(inner.inputs, op.inputs, strict=True)}
            self._calls[key] = (inner, bound)
        inner, bound = self._calls[key]
        return self.read(inner.outputs[index], bound)

    def _argument(self, tensor: tf.Tensor, env: dict[str, Any]) -> Any:
        # A function's argument may be one that no wanted output uses; what it is then does not matter.
        try:
            return self.read(tensor, env)
        except PreprocessingError as error:
            return error

    def _parse(self, op: tf.Operation, index: int, env: dict[str, Any]) -> Any:
        sparse, dense, ragged = (self.read(tensor, env) for tensor in op.inputs[2:5])
        if ragged.size:
            raise PreprocessingError(
                f"the feature '{ragged[0].decode()}' is ragged; "
                f"only features of a fixed shape, or with at most one value, can leave TensorFlow"
            )
        count = len(sparse)
        kind, at = divmod(index, count) if index < 3 * count else (3, index - 3 * count)
        name = (sparse if kind < 3 else dense)[at].decode()
        tensor = op.outputs[index]
        if name in self._several:
            raise PreprocessingError(
                f"a row may have several values of the feature '{name}'; "
                f"only features of a fixed shape, or with at most one value, can leave TensorFlow"
            )
        if kind in (0, 2):
            return _Part(name) if kind == 0 else _SHAPE
        shape = () if kind == 1 else tuple(size for size in tensor.shape[1:])
        # The inputs after the first five are the defaults of the dense features; an empty one is none.
        default = self.read(op.inputs[5 + at], env) if kind == 3 else np.empty(0)
        self.inputs[name] = Input(tensor.dtype.name, shape, optional=kind == 1 or default.size > 0)
        value = _Step(self.builder.add("input", tensor.dtype.name, feature=name))
        return self._fill(op, name, tensor.dtype.name, [value, default]) if default.size else value


def _keeps_elements(op: tf.Operation) -> bool:
    """Whether a slice has all rows and all of their elements, as `[:, 0]` of one column and `[:, tf.newaxis]` have."""
    before, after = op.inputs[0].shape, op.outputs[0].shape
    if before.rank is None or after.rank is None or not after.rank:
        return False
    all_rows = op.get_attr("begin_mask") & op.get_attr("end_mask") & 1
    moved = (op.get_attr("shrink_axis_mask") | op.get_attr("new_axis_mask") | op.get_attr("ellipsis_mask")) & 1
    counts = [shape[1:].num_elements() for shape in (before, after)]
    return bool(all_rows) and not moved and counts[0] is not None and counts[0] == counts[1]


def _is_last(axis: Any) -> bool:
    """Whether the axis of matrices, [rows, columns], is that of the columns."""
    return isinstance(axis, np.ndarray) and int(axis) in (1, -1)


def _refusal(op: tf.Operation) -> PreprocessingError:
    return PreprocessingError(
        f"the transform graph uses {op.type} (at {op.name}), which cannot be done outside TensorFlow; "
        f"write preprocessing_fn with arithmetic, comparisons, tf.where, tf.cast, tf.concat, tf.one_hot, scaling, "
        f"bucketize and vocabularies (num_oov_buckets at most 1), or switch its export off"
    )
