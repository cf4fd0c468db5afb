"""What JSON says of a row and TensorFlow Serving refuses, for models that hilir pushed: `null`, and `true` for 1.

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
    """Returns the request with the missing value for each `null`, and 1 and 0 for `true` and `false` among numbers."""
    if not any(spec.takes_missing for spec in specs.values()):
        return document
    found = {key: _replace(document[key], specs) for key in _KEYS if key in document}
    return document | found


def _replace(value: Any, specs: Mapping[str, InputSpec]) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_replace(row, specs) for row in value]
    if isinstance(value, dict):
        return {name: _replace_leaves(item, specs[name]) if name in specs else item for name, item in value.items()}
    return _replace_leaves(value, next(iter(specs.values()))) if len(specs) == 1 else value


def _replace_leaves(value: Any, spec: InputSpec) -> Any:
    if isinstance(value, list):
        return [_replace_leaves(item, spec) for item in value]
    if value is None:
        return _MISSING.get(spec.dtype)
    return int(value) if isinstance(value, bool) and spec.dtype in (dtypes.FLOAT, dtypes.INT64) else value
