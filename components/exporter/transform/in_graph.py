"""Computes a program with operations that TensorFlow Lite has, so that a model can take raw features by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from hilir.components.exporter.transform.transform_program import Program
from hilir.components.missing import MISSING_INT

_UNKNOWN = -1

_BINARY: dict[str, Callable[..., tf.Tensor]] = {
    "add": tf.add, "subtract": tf.subtract, "multiply": tf.multiply, "divide": tf.divide, "minimum": tf.minimum,
    "maximum": tf.maximum, "equal": tf.equal, "not_equal": tf.not_equal, "less": tf.less,
    "less_equal": tf.less_equal, "greater": tf.greater, "greater_equal": tf.greater_equal, "and": tf.logical_and,
    "or": tf.logical_or, "power": tf.pow, "floor_mod": tf.math.floormod,
    "floor_divide": lambda value, other: _floor_divide(value, other),
}  # fmt: skip
_UNARY: dict[str, Callable[..., tf.Tensor]] = {
    "not": tf.logical_not, "negative": tf.negative, "absolute": tf.abs, "sqrt": tf.sqrt, "square": tf.square,
    "exp": tf.exp, "log": tf.math.log, "log1p": lambda value: tf.math.log(value + 1.0), "floor": tf.floor,
    "is_nan": lambda value: tf.not_equal(value, value), "ceil": tf.math.ceil, "sigmoid": tf.sigmoid, "tanh": tf.tanh,
    "sign": tf.sign,
}  # fmt: skip


class RawFeatures(tf.Module):
    """A network behind a program: raw features in, shape [rows] or [rows, …]; the network's outputs out.

    A missing value is NaN, an empty text or the smallest whole number, as in the signature `serving_default`.
    """

    def __init__(self, program: Program, network: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]) -> None:
        """`network`: takes the transformed features by name."""
        super().__init__()
        self._program = program
        self._network = network
        self._tables = {
            name: _make_table(words) for name, words in program.vocabularies.items() if isinstance(words[0], str)
        }

    def input_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the inputs by name."""
        return {
            name: tf.TensorSpec([None, *(found.shape if found.shape != (1,) else ())], found.dtype)
            for name, found in self._program.inputs.items()
        }

    def predict(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the network's outputs."""
        values: list[tf.Tensor] = []
        for step in self._program.steps:
            values.append(self._compute(step, values, features))
        # A number of rows that is known has to stay known: recurrent layers are converted for such a one only.
        rows = _count_rows(features)
        transformed = {
            name: tf.reshape(values[out.step], [rows, *out.shape]) for name, out in self._program.outputs.items()
        }
        return self._network(transformed)

    def _compute(self, step: dict[str, Any], values: list[tf.Tensor], features: dict[str, tf.Tensor]) -> tf.Tensor:
        arguments = self._align([values[at] for at in step.get("args", [])], step.get("args", []))
        name = step["op"]
        if name in _BINARY:
            return _BINARY[name](*arguments)
        if name in _UNARY:
            return _UNARY[name](*arguments)
        match name:
            case "input":
                return features[step["feature"]]
            case "constant":
                return tf.constant(step["value"], step["dtype"])
            case "cast":
                return tf.cast(arguments[0], step["dtype"])
            case "select":
                return tf.where(*arguments)
            case "bucketize":
                buckets = tf.raw_ops.Bucketize(input=arguments[0], boundaries=step["boundaries"])
                return tf.cast(buckets, step["dtype"])
            case "lookup":
                return self._look_up(step["vocabulary"], arguments[0], step["otherwise"])
            case "fill_missing":
                value, other = arguments
                return tf.where(_is_missing(features[step["feature"]]), other, value)
            case "concat":
                return tf.concat([_as_columns(value, features) for value in arguments], axis=1)
            case "one_hot":
                found = tf.one_hot(arguments[0], step["depth"], step["on"], step["off"], dtype=step["dtype"])
                return _as_columns(found, features)
        raise ValueError(f"no operation '{name}'")

    def _align(self, arguments: list[tf.Tensor], places: list[int]) -> list[tf.Tensor]:
        """Returns the values, those of one element a row as [rows, 1] if others have more; constants have no rows."""
        if all(value.shape.rank < 2 for value in arguments):
            return arguments
        return [
            value[:, tf.newaxis] if value.shape.rank == 1 and self._program.steps[at]["op"] != "constant" else value
            for value, at in zip(arguments, places, strict=True)
        ]

    def _look_up(self, vocabulary: str, values: tf.Tensor, otherwise: int) -> tf.Tensor:
        if vocabulary in self._tables:
            found = self._tables[vocabulary].lookup(values)
            return tf.where(tf.equal(found, _UNKNOWN), tf.constant(otherwise, tf.int64), found)
        # TensorFlow Lite's tables take text only.
        words = tf.constant(self._program.vocabularies[vocabulary], tf.int64)
        matches = tf.equal(tf.expand_dims(values, -1), words)
        position = tf.argmax(tf.cast(matches, tf.int32), axis=-1, output_type=tf.int64)
        return tf.where(tf.reduce_any(matches, axis=-1), position, tf.constant(otherwise, tf.int64))


@dataclass(frozen=True)
class FilledFeatures:
    """A network that takes raw features by itself, behind what stands for the missing ones of some of them.

    They are marked as those of `RawFeatures` are.
    """

    typical: Mapping[str, Any]
    network: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]

    def predict(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the network's outputs."""
        return self.network({name: self._fill(name, value) for name, value in features.items()})

    def _fill(self, name: str, value: tf.Tensor) -> tf.Tensor:
        if name not in self.typical:
            return value
        return tf.where(_is_missing(value), tf.constant(self.typical[name], value.dtype), value)


def _floor_divide(value: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """TensorFlow Lite divides whole numbers of 32 bits only."""
    if value.dtype != tf.int64:
        return tf.math.floordiv(value, other)
    return tf.cast(tf.math.floordiv(tf.cast(value, tf.int32), tf.cast(other, tf.int32)), tf.int64)


def _count_rows(features: dict[str, tf.Tensor]) -> int:
    """Returns the number of rows, -1 where it is not known."""
    return next(iter(features.values())).shape[0] or -1


def _as_columns(value: tf.Tensor, features: dict[str, tf.Tensor]) -> tf.Tensor:
    """Returns a value as [rows, elements]; a constant of one element is repeated."""
    if value.shape.rank == 0:
        value = tf.fill([tf.shape(next(iter(features.values())))[0], 1], value)
    size = 1
    for length in value.shape[1:]:
        size *= length
    return tf.reshape(value, [_count_rows(features), size])


def _make_table(words: tuple[str, ...]) -> tf.lookup.StaticHashTable:
    indices = tf.range(len(words), dtype=tf.int64)
    initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(words, tf.string), indices)
    return tf.lookup.StaticHashTable(initializer, _UNKNOWN)


def _is_missing(values: tf.Tensor) -> tf.Tensor:
    if values.dtype == tf.string:
        return tf.equal(values, "")
    if values.dtype.is_floating:
        return tf.not_equal(values, values)
    return tf.equal(values, tf.constant(MISSING_INT, values.dtype))
