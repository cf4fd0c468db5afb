"""The search space, read from the model package's Hyperparameters class.

A field takes part in the search if it says so in pydantic's own place for such remarks:

    learning_rate: float = Field(0.01, json_schema_extra={"search": {"min": 1e-4, "max": 0.1, "sampling": "log"}})
    hidden_units: tuple[int, ...] = Field((64, 32), json_schema_extra={"search": {"choices": [[64, 32], [128]]}})
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import keras_tuner
from pydantic import BaseModel

from hilir.components.errors import ModelPackageError
from hilir.components.trainer.model_package import ModelPackage

_SCALARS = (bool, int, float, str)


def read_space(package: ModelPackage, overridden: Mapping[str, str] | None = None) -> keras_tuner.HyperParameters:
    """Returns the space, with the class's defaults; choices that are not plain values are JSON strings.

    Args:
        package: declares what is searched.
        overridden: fields that are left out as their values have no effect, each with the key that overrides it.

    Raises:
        ModelPackageError: no field declares a search, or one does it wrongly.
    """
    space = keras_tuner.HyperParameters()
    fields = package.hyperparameters.model_fields
    overridden, left_out = overridden or {}, []
    for name, field in fields.items():
        extra = field.json_schema_extra
        if not isinstance(extra, dict) or "search" not in extra:
            continue
        if name in overridden:
            left_out.append(name)
        else:
            _declare(space, package, name, extra["search"], field.default)
    if left_out and not space.space:
        raise ModelPackageError(
            f"{package.name}.model.Hyperparameters declares a search for {', '.join(left_out)} alone, which "
            f"{overridden[left_out[0]]} overrides; set {overridden[left_out[0]]} to null, or search another field"
        )
    if not space.space:
        raise ModelPackageError(
            f"{package.name}.model.Hyperparameters declares no search space; give a field, for example "
            f"'{next(iter(fields), 'learning_rate')}', json_schema_extra={{'search': {{'min': …, 'max': …}}}} "
            f"or {{'choices': […]}}"
        )
    return space


def find_overridden(learning_rate: object) -> dict[str, str]:
    """Returns the hyperparameters whose values have no effect, each with the key that overrides it.

    `learning_rate`: of the configuration; None where the package's own counts.
    """
    return {"learning_rate": "train.learning_rate"} if learning_rate is not None else {}


def _declare(space: keras_tuner.HyperParameters, package: ModelPackage, name: str, search: Any, default: Any) -> None:
    place = f"{package.name}.model.Hyperparameters.{name}"
    if isinstance(search, dict) and set(search) == {"choices"} and search["choices"]:
        choices = [_plain(value) for value in search["choices"]]
        given = _plain(default)
        space.Choice(name, choices, default=given if given in choices else choices[0])
        return
    if not isinstance(search, dict) or not {"min", "max"} <= set(search) <= {"min", "max", "step", "sampling"}:
        raise ModelPackageError(
            f"{place}: the search is {search!r}; write {{'choices': […]}} or {{'min': …, 'max': …}}, "
            f"with 'step' and 'sampling' (linear or log) if you like"
        )
    whole = isinstance(search["min"], int) and isinstance(search["max"], int)
    declare = space.Int if whole else space.Float
    inside = isinstance(default, int | float) and search["min"] <= default <= search["max"]
    options = {key: search[key] for key in ("step", "sampling") if key in search}
    try:
        declare(name, search["min"], search["max"], default=default if inside else None, **options)
    except (ValueError, TypeError) as error:
        raise ModelPackageError(f"{place}: the search {search!r} is not valid: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return value if isinstance(value, _SCALARS) else json.dumps(value)
