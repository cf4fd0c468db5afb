"""Checks Kubernetes objects against the API's own types, as the package `kubernetes` carries them (API 1.26)."""

import re
from typing import Any

from kubernetes import client

_SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object, "datetime": str}


def faults(kind: dict[str, Any]) -> list[str]:
    """Returns what is wrong with an object: unknown kinds and fields, wrong types, missing fields."""
    group, _, version = kind["apiVersion"].rpartition("/")
    name = f"{version.capitalize()}{kind['kind']}"
    if not hasattr(client, name):
        return [f"{group}/{version} {kind['kind']}: no such kind"]
    return _check(kind, name, kind["kind"])


def _check(value: Any, expected: str, place: str) -> list[str]:
    if found := re.fullmatch(r"list\[(.+)\]", expected):
        if not isinstance(value, list):
            return [f"{place}: not a list"]
        return [fault for i, item in enumerate(value) for fault in _check(item, found[1], f"{place}[{i}]")]
    if found := re.fullmatch(r"dict\(str, (.+)\)", expected):
        if not isinstance(value, dict):
            return [f"{place}: not a map"]
        return [fault for key, item in value.items() for fault in _check(item, found[1], f"{place}.{key}")]
    if expected in _SCALARS:
        # A number or a string: the API takes either where it says object (IntOrString).
        wrong = not isinstance(value, _SCALARS[expected]) or (isinstance(value, bool) and expected in ("int", "str"))
        return [f"{place}: {value!r} is no {expected}"] if wrong else []
    return _check_model(value, getattr(client, expected), place)


def _check_model(value: Any, model: Any, place: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{place}: not an object"]
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    found = [f"{place}.{key}: no such field" for key in value.keys() - names.keys()]
    for key in value.keys() & names.keys():
        found += _check(value[key], model.openapi_types[names[key]], f"{place}.{key}")
    try:
        model(**{names[key]: item for key, item in value.items() if key in names})
    except ValueError as error:
        found.append(f"{place}: {error}")
    return found
