"""The filters of resolvers, as far as TFX's compiler writes them (tfx/orchestration/kubeflow/v2/step_builder.py)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hilir.pipeline.emulator.artifact_store import Artifact

_CLAUSE = re.compile(
    r"(?P<field>schema_title|state|name|uri|metadata\.(?P<key>[\w:-]+)\.(?P<kind>number_value|string_value|bool_value))"
    r"\s*=\s*(?:\"(?P<text>(?:[^\"\\]|\\.)*)\"|(?P<word>[\w.+-]+))"
)


class FilterError(ValueError):
    """The filter has a clause that is not understood here."""


def parse_filter(text: str) -> tuple[str, Callable[[Artifact], bool]]:
    """Returns the artifact type that a filter asks for and whether an artifact of that type passes.

    Raises:
        FilterError: a clause is not understood, or no type is asked for.
    """
    title, tests = "", []
    for clause in re.split(r"\s+AND\s+", text.strip()):
        found = _CLAUSE.fullmatch(clause.strip())
        if found is None:
            raise FilterError(f"'{clause.strip()}' in the filter {text}")
        value = found["text"] if found["text"] is not None else found["word"]
        if found["field"] == "schema_title":
            title = value
        elif found["field"] == "state":
            if value != "LIVE":
                raise FilterError(f"state={value} in the filter {text}")
        else:
            tests.append(_test(found, value))
    if not title:
        raise FilterError(f"no schema_title in the filter {text}")
    return title, lambda artifact: all(test(artifact) for test in tests)


def _test(found: re.Match[str], value: str) -> Callable[[Artifact], bool]:
    key, kind = found["key"], found["kind"]
    if key is None:
        field = found["field"]
        return lambda artifact: getattr(artifact, field) == value
    wanted: Any = float(value) if kind == "number_value" else (value == "true" if kind == "bool_value" else value)
    return lambda artifact: _property(artifact, key) == wanted


def _property(artifact: Artifact, key: str) -> Any:
    return artifact.metadata.get(key, artifact.metadata.get(f"custom:{key}"))
