"""Finds paths of this machine in what a job starts with: parameters, constants, importers, arguments, environment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf import json_format

from hilir.pipeline.spec.executors import steps
from hilir.pipeline.spec.specification import Specification

# /gcs/ is where Vertex AI mounts buckets.
_BUCKET = ("gs://", "/gcs/")
# Artifacts are also tables and resources of other services, which are called by their addresses.
_ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://.+")
# Properties of TFX's components and of ours that are paths whatever they look like; inside JSON, the keys to them.
_PATHS: dict[str, tuple[str, ...]] = {
    "input_base": (),
    "schema_file": (),
    "custom_config": ("root",),
    "push_destination": ("filesystem", "base_directory"),
}
# What else looks like a path may be one of the image (/usr/bin, /app) or none at all (/v1/models); these are a user's.
_USERS = re.compile(r"(file:)?/(home|Users|root|mnt|media)/.+")
_PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")
_OPEN = "{{$"


class _Value(NamedTuple):
    """A value that is known before the job runs, and where the user gave it."""

    value: Any
    place: str


def find_local(parsed: Specification, values: Mapping[str, Any]) -> list[str]:
    """Returns a sentence for each path that Vertex AI does not see; the specification's structure has been checked.

    Args:
        parsed: the specification.
        values: the pipeline's parameters.
    """
    scope = {name: _Value(value, f"parameter {name}") for name, value in values.items()}
    faults = [fault for known in scope.values() for fault in _free(known)]
    faults += _dag(parsed, parsed.spec.root, scope)
    for step, _, executor in steps(parsed):
        faults += _arguments(step, executor.container)
    return list(dict.fromkeys(faults))


def _dag(parsed: Specification, component: Any, scope: Mapping[str, _Value]) -> Iterator[str]:
    for step, task in sorted(component.dag.tasks.items()):
        inner = parsed.spec.components[task.component_ref.name]
        own = _inputs(step, task, inner, scope)
        if inner.HasField("dag"):
            yield from _dag(parsed, inner, own)
            continue
        for key, known in own.items():
            faults = list(_property(key, known))
            yield from faults or _free(known)
        executor = parsed.deployment.executors[inner.executor_label]
        if executor.WhichOneof("spec") == "importer":
            yield from _importer(step, executor.importer, own)


def _inputs(step: str, task: Any, component: Any, scope: Mapping[str, _Value]) -> dict[str, _Value]:
    """Returns the parameters of a task that are known; those that other tasks make are left out."""
    own = {
        key: _Value(json_format.MessageToDict(definition.default_value), f"step {step}, {key}")
        for key, definition in component.input_definitions.parameters.items()
        if definition.HasField("default_value")
    }
    for key, source in sorted(task.inputs.parameters.items()):
        own.pop(key, None)
        if source.WhichOneof("kind") == "runtime_value":
            own[key] = _Value(json_format.MessageToDict(source.runtime_value.constant), f"step {step}, {key}")
        elif source.component_input_parameter in scope:
            own[key] = scope[source.component_input_parameter]
    return {key: known._replace(value=_fill(known.value, own)) for key, known in own.items()}


def _fill(value: Any, own: Mapping[str, _Value]) -> Any:
    """Returns a string with the known parameters in place of their placeholders."""

    def replace(found: re.Match[str]) -> str:
        known = own.get(found.group(1))
        if known is None:
            return found.group()
        return known.value if isinstance(known.value, str) else json.dumps(known.value)

    return _PARAMETER.sub(replace, value) if isinstance(value, str) else value


def _property(key: str, known: _Value) -> Iterator[str]:
    """Yields a sentence if a property that is a path is not one on a bucket."""
    if key not in _PATHS:
        return
    path, place = known.value, known.place
    for part in _PATHS[key]:
        path, place = _content(path), f"{place}.{part}"
        path = path.get(part) if isinstance(path, Mapping) else None
    if isinstance(path, str) and not path.startswith((*_BUCKET, _OPEN)):
        yield _sentence(place, path)


def _importer(step: str, importer: Any, own: Mapping[str, _Value]) -> Iterator[str]:
    known = own.get(importer.artifact_uri.runtime_parameter)
    if importer.artifact_uri.WhichOneof("value") == "constant":
        uri = json_format.MessageToDict(importer.artifact_uri.constant)
        known = _Value(_fill(uri, own), f"step {step}, artifactUri")
    if known is None or not isinstance(known.value, str):
        return
    if not (known.value.startswith((*_BUCKET, _OPEN)) or _ADDRESS.fullmatch(known.value)):
        yield _sentence(known.place, known.value)


def _arguments(step: str, container: Any) -> Iterator[str]:
    for argument in [*container.command, *container.args]:
        for path in _texts(argument.partition("=")[2] or argument):
            if _USERS.fullmatch(path):
                yield f"step {step}: the argument '{path}' is a path of this machine; give a gs:// path"
    for variable in container.env:
        if variable.name != "HOME" and _USERS.fullmatch(variable.value):
            yield _sentence(f"step {step}, environment variable {variable.name}", variable.value)


def _free(known: _Value) -> Iterator[str]:
    """Yields a sentence for each string in a value, whatever it is for, that is a path in a user's folders."""
    for text in _texts(known.value):
        if _USERS.fullmatch(text):
            yield _sentence(known.place, text)


def _texts(value: Any) -> Iterator[str]:
    """Yields the strings in a value, also those in JSON inside a string."""
    content = _content(value)
    if isinstance(content, Mapping):
        for inner in content.values():
            yield from _texts(inner)
    elif isinstance(content, list):
        for inner in content:
            yield from _texts(inner)
    elif isinstance(content, str):
        yield content


def _content(value: Any) -> Any:
    """Returns the value that the JSON in a string has, or the value itself."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _sentence(place: str, path: str) -> str:
    return f"{place}: '{path}' is on this machine; copy it to a bucket and give its gs:// path"
