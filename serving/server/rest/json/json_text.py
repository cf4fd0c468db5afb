"""JSON text as TensorFlow Serving writes it: numbers, strings, and values quoted in error messages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

MAX_DEBUG_BYTES = 256
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def quote(text: str) -> str:
    """A JSON string literal; undecodable bytes stay as they are when the result is encoded again."""
    return _ENCODER.encode(text)


def type_name(value: Any) -> str:
    """RapidJSON's name of a value's type (JsonTypeString)."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, (int, float)):
        return "Number"
    if isinstance(value, str):
        return "String"
    return "Array" if isinstance(value, list) else "Object"


def format_floats(values: np.ndarray) -> list[str]:
    """Decimal texts of a flat float32 or float64 array (json_tensor.cc, WriteDecimal).

    Six significant digits if that reads back as the same number, else all of them; whole numbers end in `.0`.
    """
    numbers: list[float] = values.tolist()
    if not numbers:
        return []
    texts = ("%.6g " * len(numbers) % tuple(numbers)).split()
    read_back = np.array([float(text) for text in texts], dtype=values.dtype)
    full = "%.9g" if values.dtype == np.float32 else "%.17g"
    for index, same in enumerate((read_back == values).tolist()):
        if not same:
            texts[index] = full % numbers[index]
    return [text if "." in text or "e" in text else _finish(text) for text in texts]


def _finish(text: str) -> str:
    match text:
        case "nan" | "-nan":
            return "NaN"
        case "inf":
            return "Infinity"
        case "-inf":
            return "-Infinity"
    return text + ".0"


def debug_string(value: Any) -> str:
    """A value for an error message, pretty-printed and cut after 256 bytes (JsonValueToDebugString)."""
    parts: list[str] = []
    size = 0
    for token in _tokens(value):
        parts.append(token)
        size += len(token)
        if size >= MAX_DEBUG_BYTES:
            break
    return "".join(parts)


def _tokens(value: Any) -> Iterator[str]:
    """Text pieces of a value; with an explicit stack, since a request may nest as deeply as it likes."""
    stack: list[tuple[Iterator[Any], bool, bool]] = []
    yield from _open(value, stack, "")
    while stack:
        items, is_object, first = stack[-1]
        item: Any = next(items, stack)
        if item is stack:
            stack.pop()
            closing = "}" if is_object else "]"
            yield closing if first or not is_object else "\n" + "    " * len(stack) + closing
            continue
        stack[-1] = (items, is_object, False)
        if is_object:
            prefix = ("" if first else ",") + "\n" + "    " * len(stack) + quote(item[0])[:MAX_DEBUG_BYTES] + ": "
            yield from _open(item[1], stack, prefix)
        else:
            yield from _open(item, stack, "" if first else ", ")


def _open(value: Any, stack: list[tuple[Iterator[Any], bool, bool]], prefix: str) -> Iterator[str]:
    if isinstance(value, dict):
        stack.append((iter(value.items()), True, True))
        yield prefix + "{"
    elif isinstance(value, list):
        stack.append((iter(value), False, True))
        yield prefix + "["
    else:
        yield prefix + _scalar(value)


def _scalar(value: Any) -> str:
    match value:
        case str():
            return quote(value[:MAX_DEBUG_BYTES])
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value).replace("e+", "e") if math.isfinite(value) else ""
    return str(value)


def nest_inline(tokens: Sequence[str], shape: Sequence[int], count: int) -> list[str]:
    """Group flat element texts into `count` one-line lists of this shape, innermost dimension first."""
    rows = list(tokens)
    for axis in range(len(shape) - 1, -1, -1):
        width = shape[axis]
        if width == 0:
            rows = ["[]"] * (count * math.prod(shape[:axis]))
        else:
            rows = ["[" + ", ".join(rows[i : i + width]) + "]" for i in range(0, len(rows), width)]
    return rows


def nest_pretty(tokens: Sequence[str], shape: Sequence[int], depth: int) -> str:
    """Group flat element texts into lists with one element per line, four spaces per level from `depth`."""
    rows = list(tokens)
    for axis in range(len(shape) - 1, -1, -1):
        width = shape[axis]
        if width == 0:
            rows = ["[]"] * math.prod(shape[:axis])
            continue
        pad = "\n" + "    " * (depth + axis + 1)
        end = "\n" + "    " * (depth + axis) + "]"
        rows = ["[" + pad + ("," + pad).join(rows[i : i + width]) + end for i in range(0, len(rows), width)]
    return rows[0]
