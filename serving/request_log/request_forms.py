"""Reads the two forms of a logged request: a line of JSON, and TensorFlow Serving's PredictionLog."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hilir.serving.request_log.record_files import LogFile, LogRecord
from hilir.serving.request_log.request import Column, Request, Value

_REDACTED = "REDACTED"
# The input of a signature that takes serialized tf.Examples, as the pipeline exports it.
_EXAMPLES = "examples"


def read_request(log_file: LogFile, record: LogRecord) -> Request:
    """Returns the request of a record.

    Raises:
        ValueError: the record is damaged, or not a logged request.
    """
    if record.data is None:
        raise ValueError("its checksum is wrong")
    return (read_json if log_file.is_json else read_prediction_log)(record.data, record.time)


def read_json(line: bytes, time: float) -> Request:
    """Returns a line of the log in JSON.

    Raises:
        ValueError: it is not one.
    """
    entry = json.loads(line)
    try:
        inputs, outputs = entry["inputs"], entry["outputs"]
        columns = _split_examples(inputs) if isinstance(inputs, list) else _read_columns(inputs)
        is_serialized = set(columns) == {_EXAMPLES}
        if is_serialized:
            columns = _parse_examples(columns[_EXAMPLES])
        answers = _read_columns(outputs)
        rows = max((len(column) for column in (*columns.values(), *answers.values())), default=0)
        model, version = str(entry["model"]), int(entry["version"])
        at, request_id = float(entry.get("time", time)), str(entry.get("request_id", ""))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a logged request ({type(error).__name__}: {error})") from None
    is_sparse = is_serialized or isinstance(inputs, list)
    return Request(model, version, request_id, at, rows, columns, answers, is_sparse)


def read_prediction_log(data: bytes, time: float) -> Request:
    """Returns a serialized PredictionLog of TensorFlow Serving; one of multi-inference or a session has no rows.

    Raises:
        ValueError: it is not one.
    """
    from google.protobuf.message import DecodeError

    from hilir.serving.request_log.prediction_log import read
    from hilir.serving.server.status import StatusError

    try:
        return read(data, time)
    except (DecodeError, StatusError) as error:
        raise ValueError(f"not a PredictionLog ({error})") from None


def _flatten(value: Any) -> list[Value]:
    """Returns the values of a row in order."""
    if isinstance(value, list):
        return [each for part in value for each in _flatten(part)]
    return [_decode(value)]


def _read_columns(values: Mapping[str, Any]) -> dict[str, Column]:
    """Returns columns of tensors; those that are redacted, or only described, are left out."""
    return {
        name: [_flatten(row) for row in tensor] if isinstance(tensor, list) else [[_decode(tensor)]]
        for name, tensor in values.items()
        if tensor != _REDACTED and not (isinstance(tensor, dict) and "shape" in tensor)
    }


def _split_examples(rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Returns tf.Examples, one a row, as columns; a feature that a row lacks has no value there."""
    redacted = {name for row in rows for name, values in row.items() if values == _REDACTED}
    names = {name: None for row in rows for name in row if name not in redacted}
    return {name: [_flatten(row.get(name, [])) for row in rows] for name in names}


def _parse_examples(column: Column) -> dict[str, Column]:
    from hilir.serving.request_log.prediction_log import split_examples

    return split_examples([value.encode() if isinstance(value, str) else value for row in column for value in row])


def _decode(value: Any) -> Value:
    if isinstance(value, dict):
        try:
            return base64.b64decode(value["b64"])
        except (KeyError, TypeError, binascii.Error):
            return json.dumps(value, sort_keys=True)
    return value if value is None or isinstance(value, (str, bytes)) else float(value)
