"""Turns pydantic's findings into messages for the user: file, key, fact and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hilir.pipeline.config.documented_keys import describe_form
from hilir.pipeline.config.layers import Layer, origin_of
from hilir.pipeline.config.schema import Config

_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}
# What a value is made of, of which base.yaml has an example.
_FORMS = ("a list", "keys and values")
# pydantic's last part of the location where a key of a mapping is at fault, not its value.
_KEY = "[key]"
# Its name for one of several forms that a value may have.
_FORM = re.compile(r"(literal|dict|list)\[.*\]")
_MUST = re.compile(r"(?P<place>.*?)must be (?P<form>.*)(?P<given>, and is .*)")
# Characters of a wrong value that a message shows.
_LONGEST = 120
# Places that a key may have come from by mistake.
_MOST_ELSEWHERE = 3
# Parts of a key's place in a section: the section's name and its own.
_DEEP = 2
# Checks of the whole configuration start their messages with the key that they are about.
_KEY_AT_START = re.compile(r"[a-z_]+(\.[a-z_]+)+")


def describe(error: ValidationError, layers: Sequence[Layer]) -> list[str]:
    """Returns one message per fault, in the order of the configuration, without repetitions."""
    faults: list[str] = []
    for found in error.errors(include_url=False):
        fault = f"{origin_of(layers, _parts(found))}: {explain(found, dotted(found['loc']))}"
        if fault in faults:
            continue
        joined = _join(faults[-1], fault) if faults else None
        if joined is None:
            faults.append(fault)
        else:
            faults[-1] = joined
    return faults


def _join(one: str, other: str) -> str | None:
    """Returns two faults of one value, of which each form that it may have gives one, as one; None: they are not."""
    first, second = _MUST.fullmatch(one), _MUST.fullmatch(other)
    if first is None or second is None or first["place"] != second["place"]:
        return None
    return f"{first['place']}must be {first['form']} or {second['form']}{second['given']}"


def dotted(location: tuple[int | str, ...]) -> str:
    """Returns the location as a key: `evaluate.thresholds[0].min`."""
    key = ""
    for part in location:
        if part != _KEY and not _FORM.fullmatch(str(part)):
            key += f"[{part}]" if isinstance(part, int) else f".{part}"
    return key.lstrip(".")


def _parts(found: Any) -> list[str]:
    """Returns the parts of the key that is at fault, up to the first position in a list."""
    if not found["loc"]:
        key = _KEY_AT_START.match(_message(found))
        return key.group().split(".") if key else []
    names = []
    for part in found["loc"]:
        if isinstance(part, int):
            break
        names.append(part)
    return names


def explain(found: Any, place: str) -> str:
    """Returns pydantic's finding as one sentence about `place`, a dotted key or a parameter."""
    kind, given = found["type"], found.get("input")
    start = f"{place}: " if place else ""
    if kind == "extra_forbidden":
        return f"{start}there is no such key{_suggestion(found['loc'])}"
    if kind == "missing":
        return f"{start}is missing; give it a value"
    if kind == "string_type" and isinstance(given, bool):
        return f"{start}must be a string, and is {_shown(given)}; put a word like no, off, yes or on in quotes"
    if kind in _EXPECTED:
        form = describe_form(place) if _EXPECTED[kind] in _FORMS else ""
        if kind == "model_type" and not form:
            form = f"; the keys here are {', '.join(sorted(_keys_at(found['loc'])))}"
        return f"{start}must be {_EXPECTED[kind]}, and is {_shown(given)}{form}"
    if kind == "literal_error":
        return f"{start}must be {found['ctx']['expected']}, and is {_shown(given)}"
    message = _message(found)
    if kind == "value_error":
        return f"{start}{message}"
    subject = "the key " if _KEY in found["loc"] else ""
    return f"{start}{subject}{message}, and is {_shown(given)}"


def _message(found: Any) -> str:
    message = str(found["msg"])
    if found["type"] == "value_error":
        return message.removeprefix("Value error, ")
    for start, ours in (("Input should ", "must "), ("String should ", "must ")):
        if message.startswith(start):
            return ours + message.removeprefix(start)
    return f"{message[0].lower()}{message[1:]}"


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _suggestion(location: tuple[int | str, ...]) -> str:
    known = _keys_at(location[:-1])
    elsewhere = [key for key in _list_keys(Config) if key.rpartition(".")[2] == location[-1]]
    if 0 < len(elsewhere) <= _MOST_ELSEWHERE:
        # A key that stands so deep was meant for this place more likely than for one where its name exists.
        here = f" The keys here are {', '.join(sorted(known))}" if len(location) > _DEEP else ""
        return f"; did you mean {' or '.join(map(repr, elsewhere))}?{here}"
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


def _list_keys(model: type[BaseModel], section: str = "") -> Iterator[str]:
    """Yields the dotted keys of a section and of those in it; not those of the entries of lists and mappings."""
    for name, field in model.model_fields.items():
        key = f"{section}{field.alias or name}"
        yield key
        inner = _model_in(field.annotation)
        if inner is not None and get_origin(field.annotation) not in (list, tuple, dict, Mapping):
            yield from _list_keys(inner, f"{key}.")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
