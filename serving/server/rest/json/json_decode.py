"""Bytes of a request to Python values: fast readers first, RapidJSON's rules always."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from hilir.serving.server.rest.json import exact_reader
from hilir.serving.server.rest.json.json_text import debug_string
from hilir.serving.server.status import StatusError, invalid_argument

# Of two equal keys the fast readers take the last, RapidJSON the first.
_TOP_KEYS = (b'"signature_name"', b'"instances"', b'"inputs"', b'"examples"', b'"context"')
# What the standard library accepts and RapidJSON does not: lone surrogates, numbers beyond a double.
_RISKY = re.compile(rb"\\u[dD][89abAB]|\\u[dD][c-fC-F]|[eE]\+?[0-9]{3}|[0-9]{309}")
_EXACT_BYTES = 1 << 20
# Every value costs the exact reader about a microsecond: this bounds it to a few seconds of one thread.
MAX_EXACT_VALUES = 4_000_000
_MESSAGES = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma or ] after an array element.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character at": "Invalid encoding in string.",
}


def decode_object(body: bytes) -> dict[str, Any]:
    """Read a request body.

    Raises:
        StatusError: not JSON, or not an object, with the text of util/json_tensor.cc (ParseJson).
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        document = decode(body)
    except exact_reader.ParseError as error:
        raise error.status() from None
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {debug_string(document)} Is not object")
    return document


def decode(body: bytes) -> Any:
    """Read the first value of `body`.

    Raises:
        exact_reader.ParseError: not JSON.
        StatusError: too large for the reader that its peculiarities need.
    """
    if any(body.count(key) > 1 for key in _TOP_KEYS):
        return exact_reader.parse(body, MAX_EXACT_VALUES)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _decode_unusual(body)


def _decode_unusual(body: bytes) -> Any:
    """NaN, Infinity, trailing bytes, broken UTF-8, great depth, or simply an error to be described."""
    if len(body) <= 4096 or _RISKY.search(body):
        return exact_reader.parse(body, MAX_EXACT_VALUES)
    text = body.decode("utf-8", "surrogateescape").lstrip(" \t\r\n")
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except json.JSONDecodeError as error:
        if len(body) <= _EXACT_BYTES:
            return exact_reader.parse(body, MAX_EXACT_VALUES)
        raise _approximate(error) from None
    except RecursionError:
        return exact_reader.parse(body, MAX_EXACT_VALUES)


def _approximate(error: json.JSONDecodeError) -> StatusError:
    """RapidJSON's words for a fault that the standard library found, in bodies too large to read twice."""
    return exact_reader.ParseError(_MESSAGES.get(error.msg, "Invalid value."), error.pos).status()
