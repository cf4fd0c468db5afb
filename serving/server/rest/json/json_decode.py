"""Bytes of a request to Python values: orjson first, the standard library for what only TensorFlow Serving accepts.

TensorFlow Serving parses with RapidJSON's flags Iterative, NanAndInf and StopWhenDone: `NaN`, `Inf` and `Infinity`
are numbers, what follows the top value is ignored, and the first of several equal keys counts.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

from hilir.serving.server.inference.memory import Take
from hilir.serving.server.rest.json.json_numeric import count
from hilir.serving.server.rest.json.json_text import debug_string
from hilir.serving.server.status import StatusError, invalid_argument

# Of two equal keys orjson takes the last, TensorFlow Serving the first.
_TOP_KEYS = (b'"signature_name"', b'"instances"', b'"inputs"', b'"examples"', b'"context"')
_BOM = "\N{BYTE ORDER MARK}"
# What RapidJSON reads as numbers and Python's reader does not; strings are matched so that they are left alone.
_UNUSUAL = re.compile(r'"(?:[^"\\]++|\\.)*+"?|-NaN|Inf(?![A-Za-z])', re.DOTALL)
_USUAL = {"-NaN": "NaN", "Inf": "Infinity"}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# Each escape in turn; group 1 is a surrogate without its other half, which Python's reader lets through.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F])|.)", re.DOTALL)
_DIGITS_OF_64_BITS = 20
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
# Both readers are recursive, TensorFlow Serving's is not. No tensor has more than 64 dimensions, so that what lies
# deeper than this is never used.
_DEPTH = 500
_SMALL = 16 << 10
_VALUE, _CONTAINER = 64, 80
# Cutting costs some tenths of a microsecond per bracket.
_MAX_CUT = 4 << 20
_MESSAGES = {
    "Expecting value": "Invalid value.",
    "Illegal trailing comma before end of array": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma or a closing bracket.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character at": "Invalid encoding in string.",
}


def decode_object(body: bytes, take: Take) -> dict[str, Any]:
    """Read a request body; what it becomes is counted first.

    Raises:
        OverBudget: it becomes more than requests may hold.
        StatusError: not JSON, or not an object, with the words of util/json_tensor.cc (ParseJson).
    """
    take(decoded_size(body))
    document = decode(body)
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {debug_string(document)} Is not object")
    return document


def decoded_size(body: bytes) -> int:
    """About how many bytes of memory a body becomes beyond its own size; nothing that counts for a small one.

    A value costs its object, its place in a list and in the array that it ends in; a list or object costs itself.
    """
    if len(body) < _SMALL:
        return 0
    return len(body) + _VALUE * count(body, b",") + _CONTAINER * (count(body, b"[") + count(body, b"{"))


def decode(body: bytes) -> Any:
    """Read the first value of `body`.

    Strings come back with undecodable bytes as surrogate escapes; integers beyond 64 bits as floats.

    Raises:
        StatusError: not JSON.
    """
    if all(body.count(key) < 2 for key in _TOP_KEYS):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    return _decode_unusual(body.decode("utf-8", "surrogateescape").removeprefix(_BOM).lstrip(" \t\r\n"))


def _decode_unusual(text: str) -> Any:
    if not text:
        raise _parse_error("The document is empty", 0)
    lone = _find_lone_surrogate(text)
    if lone is not None:
        raise _parse_error("The surrogate pair in string is invalid.", lone)
    text = _UNUSUAL.sub(lambda found: _USUAL.get(found[0], found[0]), text)
    try:
        return _DECODER.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        raise _parse_error(_explain(error), error.pos) from None
    except RecursionError:
        if len(text) > _MAX_CUT:
            raise _parse_error("The document is nested too deeply.", 0) from None
    return _decode_unusual(_cut_depth(text))


def _parse_error(message: str, offset: int) -> StatusError:
    return invalid_argument(f"JSON Parse error: {message} at offset: {offset}")


def _find_lone_surrogate(text: str) -> int | None:
    if _SURROGATE.search(text) is None:
        return None
    return next((found.start() for found in _ESCAPE.finditer(text) if found[1]), None)


def _cut_depth(text: str) -> str:
    """The document with null in the place of each list and object at `_DEPTH` levels."""
    parts, start, depth = [], 0, 0
    for found in _STRUCTURE.finditer(text):
        if found[0] in ("[", "{"):
            depth += 1
            if depth == _DEPTH:
                parts.append(text[start : found.start()])
                start = len(text)
        elif found[0] in ("]", "}"):
            if depth == _DEPTH:
                parts.append("null")
                start = found.end()
            depth -= 1
    return "".join([*parts, text[start:]])


def _explain(error: json.JSONDecodeError) -> str:
    """RapidJSON's words for a fault that the standard library found."""
    before, after = error.doc[error.pos - 1 : error.pos], error.doc[error.pos : error.pos + 1]
    if before.isdigit() and after == ".":
        return "Miss fraction part in number."
    if before.isdigit() and after in ("e", "E"):
        return "Miss exponent in number."
    return _MESSAGES.get(error.msg, "Invalid value.")


def _read_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise invalid_argument(f"JSON Parse error: Number too big to be stored in double: {text[:40]}")
    return number


def _read_int(text: str) -> int | float:
    if len(text) <= _DIGITS_OF_64_BITS:
        number = int(text)
        if -(2**63) <= number < 2**64:
            return number
    return _read_float(text)


def _first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        found = {}
        for key, value in pairs:
            found.setdefault(key, value)
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_first_of_each, parse_float=_read_float, parse_int=_read_int)
