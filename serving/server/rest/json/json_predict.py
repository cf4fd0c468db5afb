"""The body of a Predict request: which format it has, and its inputs as arrays."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hilir.serving.server.inference.memory import Take
from hilir.serving.server.rest.json import json_numeric
from hilir.serving.server.rest.json.json_decode import decode_object
from hilir.serving.server.rest.json.json_missing import replace_missing
from hilir.serving.server.rest.json.json_tensor import column_to_array, is_base64_object, rows_to_arrays
from hilir.serving.server.rest.json.json_text import debug_string
from hilir.serving.server.servables.input_spec import InputSpec
from hilir.serving.server.status import StatusError, invalid_argument
from hilir.serving.server.tensors import dtypes

# Given a signature's name (empty for the default), its inputs.
FindInputs = Callable[[str], Mapping[str, InputSpec]]
_LARGE_BODY = 10_000


class Format(enum.Enum):
    """How inputs were given, and therefore how outputs are written."""

    ROW = "row"
    COLUMN = "column"


@dataclass(frozen=True)
class PredictInput:
    """A decoded Predict request."""

    signature_name: str
    format: Format
    inputs: dict[str, np.ndarray]


def read_signature_name(document: dict[str, Any]) -> str:
    """The optional `signature_name` (FillSignature).

    Raises:
        StatusError: it is not a string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {debug_string(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def decode_predict(body: bytes, find_inputs: FindInputs, take: Take) -> PredictInput:
    """Decode a Predict body; errors come in the order of FillPredictRequestFromJson.

    Args:
        body: the request's body.
        find_inputs: looks up the servable and the signature, and raises what the client should read.
        take: counts what the body becomes, before it does.

    Raises:
        StatusError: with TensorFlow Serving's code and text.
    """
    if len(body) >= _LARGE_BODY:
        take(json_numeric.scanned_size(body))
        large = json_numeric.read_large(body)
        if large is not None:
            return _finish_large(body, large, find_inputs, take)
    return _decode(body, find_inputs, take)


def _finish_large(body: bytes, large: json_numeric.LargeBody, find_inputs: FindInputs, take: Take) -> PredictInput:
    specs = find_inputs(large.signature_name)
    if len(specs) == 1:
        ((name, spec),) = specs.items()
        array = large.to_array(spec.dtype)
        if array is not None:
            return PredictInput(large.signature_name, Format.ROW if large.row else Format.COLUMN, {name: array})
    return _decode(body, lambda _: specs, take)


def _decode(body: bytes, find_inputs: FindInputs, take: Take) -> PredictInput:
    document = decode_object(body, take)
    signature_name = read_signature_name(document)
    specs = find_inputs(signature_name)
    if not specs:
        raise invalid_argument(f"Failed to get input map for signature: {signature_name or 'DEFAULT'}")
    has_bool = b"true" in body or b"false" in body
    if has_bool or b"null" in body:
        document = replace_missing(document, specs)
    if "instances" in document:
        _check_instances(document)
        rows = document["instances"]
        return PredictInput(signature_name, Format.ROW, _read_rows(rows, specs, has_bool))
    if "inputs" in document:
        columns = document["inputs"]
        return PredictInput(signature_name, Format.COLUMN, _read_columns(columns, specs, has_bool))
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _check_instances(document: dict[str, Any]) -> None:
    problem = ""
    if "inputs" in document:
        problem = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
    elif not isinstance(document["instances"], list):
        problem = "Expecting 'instances' to be an list/array"
    elif not document["instances"]:
        problem = "No values in 'instances' array"
    if problem:
        raise invalid_argument(f"JSON Value: {debug_string(document)} {problem}")


def _read_rows(rows: list[Any], specs: Mapping[str, InputSpec], has_bool: bool) -> dict[str, np.ndarray]:
    fast = _rows_fast(rows, specs, has_bool)
    return rows_to_arrays(rows, specs) if fast is None else fast


def _rows_fast(rows: list[Any], specs: Mapping[str, InputSpec], has_bool: bool) -> dict[str, np.ndarray] | None:
    """The arrays of regular requests; None sends the request through the exact rules."""
    if not isinstance(rows[0], dict):
        if len(specs) != 1:
            return None
        ((name, spec),) = specs.items()
        array = _to_array_fast(rows, spec.dtype, has_bool)
        return None if array is None else {name: array}
    result: dict[str, np.ndarray] = {}
    wanted = specs.keys()
    if any(type(row) is not dict or row.keys() != wanted for row in rows):
        return None
    for name, spec in specs.items():
        array = _to_array_fast([row[name] for row in rows], spec.dtype, has_bool)
        if array is None:
            return None
        result[name] = array
    return result


def _to_array_fast(values: list[Any], dtype: int, has_bool: bool) -> np.ndarray | None:
    if dtype == dtypes.STRING:
        return json_numeric.flat_strings(values)
    return json_numeric.to_array(values, dtype, has_bool)


def _read_columns(columns: Any, specs: Mapping[str, InputSpec], has_bool: bool) -> dict[str, np.ndarray]:
    if not isinstance(columns, dict) or is_base64_object(columns):
        if len(specs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        ((name, spec),) = specs.items()
        return {name: _read_column(columns, spec, has_bool)}
    result: dict[str, np.ndarray] = {}
    for name, spec in specs.items():
        if name not in columns:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        result[name] = _read_column(columns[name], spec, has_bool)
    return result


def _read_column(value: Any, spec: InputSpec, has_bool: bool) -> np.ndarray:
    if isinstance(value, list) and value:
        array = _to_array_fast(value, spec.dtype, has_bool)
        if array is not None:
            return array
    return column_to_array(value, spec.dtype)


__all__ = ["FindInputs", "Format", "PredictInput", "StatusError", "decode_predict", "read_signature_name"]
