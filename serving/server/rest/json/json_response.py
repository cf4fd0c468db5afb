"""Bodies of REST responses, laid out as TensorFlow Serving lays them out."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence

import numpy as np
import orjson

from hilir.serving.server.rest.json.json_predict import Format
from hilir.serving.server.rest.json.json_text import format_floats, nest_inline, nest_pretty, quote
from hilir.serving.server.status import StatusError, invalid_argument
from hilir.serving.server.tensors import dtypes

# Above this many numbers the shortest digits are written, not TensorFlow Serving's: the same values, sooner.
_EXACT_DIGITS = 16_384
_PART = 1 << 20
_INTS = dtypes.SMALL_INTS | {dtypes.INT64, dtypes.UINT32, dtypes.UINT64}


def encode_error(message: str) -> bytes:
    """`{"error": message}`."""
    return _encode('{\n    "error": ' + quote(message) + "\n}")


def encode_predictions(outputs: Mapping[str, np.ndarray], layout: Format) -> bytes:
    """The body of a Predict response (MakeJsonFromTensors).

    Raises:
        StatusError: outputs that the layout cannot hold, or of a dtype that JSON cannot.
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    if layout is Format.ROW:
        return _encode_rows(outputs)
    return _encode_columns(outputs)


def _encode_rows(outputs: Mapping[str, np.ndarray]) -> bytes:
    batch = -1
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if batch >= 0 and array.shape[0] != batch:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {array.shape[0]} expecting: {batch}"
            )
        batch = array.shape[0]
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        if _is_large_numeric(array):
            return b'{"predictions":' + _dump(array) + b"}"
        rows = nest_inline(_leaves(name, array), array.shape[1:], batch)
    else:
        columns = [
            (quote(name), nest_inline(_leaves(name, array), array.shape[1:], batch)) for name, array in outputs.items()
        ]
        pad = "\n            "
        rows = [
            "\n        {" + ",".join(f"{pad}{name}: {column[row]}" for name, column in columns) + "\n        }"
            for row in range(batch)
        ]
        return _close("predictions", ",".join(rows))
    return _close("predictions", ", ".join(rows))


def _encode_columns(outputs: Mapping[str, np.ndarray]) -> bytes:
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        if _is_large_numeric(array):
            return b'{"outputs":' + _dump(array) + b"}"
        return _encode('{\n    "outputs": ' + nest_pretty(_leaves(name, array), array.shape, 1) + "\n}")
    members = [
        f"\n        {quote(name)}: " + nest_pretty(_leaves(name, array), array.shape, 2)
        for name, array in outputs.items()
    ]
    return _encode('{\n    "outputs": {' + ",".join(members) + "\n    }\n}")


def encode_classifications(results: Sequence[Sequence[tuple[str, float]]]) -> bytes:
    """The body of a Classify response: per example a list of `[label, score]`.

    Raises:
        StatusError: there is no result.
    """
    if not results:
        raise invalid_argument("Cannot convert empty ClassificationResults to JSON")
    scores = iter(format_floats(np.array([score for row in results for _, score in row], dtype=np.float32)))
    rows = ["[" + ", ".join(f"[{quote(label)}, {next(scores)}]" for label, _ in row) + "]" for row in results]
    return _close("results", ", ".join(rows))


def encode_regressions(values: np.ndarray) -> bytes:
    """The body of a Regress response: one number per example.

    Raises:
        StatusError: there is no result.
    """
    if values.size == 0:
        raise invalid_argument("Cannot convert empty RegressionResults to JSON")
    return _encode('{\n    "results": [' + ", ".join(format_floats(values)) + "]\n}")


def _close(key: str, elements: str) -> bytes:
    return _encode(f'{{\n    "{key}": [{elements}' + ("\n    " if elements else "") + "]\n}")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _is_large_numeric(array: np.ndarray) -> bool:
    return bool(array.size > _EXACT_DIGITS and array.dtype.kind == "f" and np.isfinite(array).all())


def _dump(array: np.ndarray) -> bytes:
    # The interpreter stands still while orjson runs: many numbers are written in parts.
    rows = max(_PART * len(array) // array.size, 1)
    parts = [
        orjson.dumps(np.ascontiguousarray(array[start : start + rows]), option=orjson.OPT_SERIALIZE_NUMPY)
        for start in range(0, len(array), rows)
    ]
    return parts[0] if len(parts) == 1 else b"".join((b"[", b",".join([part[1:-1] for part in parts]), b"]"))


def _leaves(name: str, array: np.ndarray) -> list[str]:
    """The texts of all elements, in order (AddSingleValueAndAdvance)."""
    flat = array.reshape(-1)
    dtype = dtypes.number_of(array)
    if dtype in (dtypes.FLOAT, dtypes.DOUBLE):
        return format_floats(flat)
    if dtype in _INTS:
        return [str(value) for value in flat.tolist()]
    if dtype == dtypes.BOOL:
        return ["true" if value else "false" for value in flat.tolist()]
    if dtype == dtypes.STRING:
        return _string_leaves(flat, as_bytes=name.endswith("_bytes"))
    if math.prod(array.shape) == 0:
        return []
    raise _unsupported(dtype)


def _unsupported(dtype: int) -> StatusError:
    return invalid_argument(f"Failed to write JSON value for tensor type: {dtypes.name(dtype)}")


def _string_leaves(flat: np.ndarray, as_bytes: bool) -> list[str]:
    raw = [value if isinstance(value, bytes) else str(value).encode() for value in flat.tolist()]
    if as_bytes:
        return [f'{{"b64": "{base64.b64encode(value).decode()}"}}' for value in raw]
    return [quote(value.decode("utf-8", "surrogateescape")) for value in raw]
