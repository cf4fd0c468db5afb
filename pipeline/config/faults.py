"""Turns pydantic's findings into texts for the user: file, key, fact and remedy."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hilir.pipeline.config.layers import Layer, origin_of
from hilir.pipeline.config.schema import Config

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}


def describe(error: ValidationError, layers: Sequence[Layer]) -> list[str]:
    """Returns one text per fault, in the order of the configuration, without repetitions."""
    faults = []
    for found in error.errors(include_url=False):
        key = dotted(found["loc"])
        text = _sentence(found, key)
        fault = f"{origin_of(layers, _plain(found['loc']))}: {text}"
        if fault not in faults:
            faults.append(fault)
    return faults


def dotted(location: tuple[int | str, ...]) -> str:
    """Returns the location as a key: `evaluate.thresholds[0].min`."""
    key = ""
    for part in location:
        key += f"[{part}]" if isinstance(part, int) else f".{part}"
    return key.lstrip(".")


def _plain(location: tuple[int | str, ...]) -> str:
    names = []
    for part in location:
        if isinstance(part, int):
            break
        names.append(part)
    return ".".join(names)


def _sentence(found: Any, key: str) -> str:
    kind, given = found["type"], found.get("input")
    if kind == "extra_forbidden":
        return f"{key}: there is no such key{_suggestion(found['loc'])}"
    if kind == "missing":
        return f"{key}: is missing; give it a value"
    if kind in _EXPECTED:
        return f"{key}: must be {_EXPECTED[kind]}, and is {_shown(given)}"
    if kind == "literal_error":
        return f"{key}: must be {found['ctx']['expected']}, and is {_shown(given)}"
    message = found["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"{key}: {message}"
    return f"{key}: {message[0].lower()}{message[1:]}, and is {_shown(given)}"


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)


def _suggestion(location: tuple[int | str, ...]) -> str:
    known = _keys_at(location[:-1])
    close = get_close_matches(str(location[-1]), known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; the keys here are {', '.join(sorted(known))}" if known else "; remove it"


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """Returns the keys that the section at `location` has."""
    model: type[BaseModel] = Config
    for part in location:
        if isinstance(part, int):
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part in fields:
            inner = _model_in(fields[part].annotation)
            if inner is None:
                return []
            model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
