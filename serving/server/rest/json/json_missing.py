"""What JSON says of a row and TensorFlow Serving refuses, for models that hilir pushed: `null`, and `true`.

`serving_default` of such a model marks a missing value as NaN, the smallest whole number or an empty string.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilir.serving.missing import MISSING_INT, MISSING_NUMBER, MISSING_STRING
from hilir.serving.server.servables.input_spec import InputSpec
from hilir.serving.server.tensors import dtypes

_MISSING = {dtypes.FLOAT: MISSING_NUMBER, dtypes.INT64: MISSING_INT, dtypes.STRING: MISSING_STRING}
_KEYS = ("instances", "inputs")


def replace_missing(document: dict[str, Any], specs: Mapping[str, InputSpec]) -> dict[str, Any]:
    """Returns the request with the missing value for each `null`, and for `true` and `false` what the model knows.

    Those are 1 and 0 among numbers, and words like "True" in a column that had such words. A row that is `null` where
    others have a list becomes a list of missing values.
    """
    if not any(spec.takes_missing for spec in specs.values()):
        return document
    found = {key: _replace(document[key], specs) for key in _KEYS if key in document}
    return document | found


def _replace(value: Any, specs: Mapping[str, InputSpec]) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        widths = {name: _width([row.get(name) for row in value if isinstance(row, dict)]) for name in specs}
        return [_replace_row(row, specs, widths) for row in value]
    if isinstance(value, dict):
        return {name: _replace_column(item, specs[name]) if name in specs else item for name, item in value.items()}
    return _replace_column(value, next(iter(specs.values()))) if len(specs) == 1 else value


def _replace_row(row: Any, specs: Mapping[str, InputSpec], widths: Mapping[str, int]) -> Any:
    if not isinstance(row, dict):
        return row
    return {
        name: _replace_cell(item, specs[name], widths[name]) if name in specs else item for name, item in row.items()
    }


def _replace_column(column: Any, spec: InputSpec) -> Any:
    if not isinstance(column, list):
        return _replace_leaves(column, spec)
    width = _width(column)
    return [_replace_cell(cell, spec, width) for cell in column]


def _replace_cell(cell: Any, spec: InputSpec, width: int) -> Any:
    return _replace_leaves([None] * width if cell is None and spec.several else cell, spec)


def _width(rows: list[Any]) -> int:
    """Returns how many values a row has, 1 where none has a list."""
    return max((len(row) for row in rows if isinstance(row, list)), default=1)


def _replace_leaves(value: Any, spec: InputSpec) -> Any:
    if isinstance(value, list):
        return [_replace_leaves(item, spec) for item in value]
    if value is None:
        return _MISSING.get(spec.dtype)
    if not isinstance(value, bool):
        return value
    if spec.dtype == dtypes.STRING and spec.booleans is not None:
        return spec.booleans[value]
    return int(value) if spec.dtype in (dtypes.FLOAT, dtypes.INT64) else value
