"""The bounds of the configuration, for the parameters of a job that stand for its values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from hilir.components.errors import ModelPackageError
from hilir.components.tensorflow_environment import prepare_environment
from hilir.components.trainer.settings import TrainSettings
from hilir.pipeline.config.faults import explain
from hilir.pipeline.config.project import enter_project
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.specification import Specification

_RUN_FN = "hilir.components.trainer.run.run_fn"
# A placeholder between quotes stands for a string, one without for a number, true or false.
_BARE = re.compile(r"(?<!\")\{\{\$\.inputs\.parameters\['(\w+)'\]\}\}(?!\")")
_QUOTED = re.compile(r"\{\{\$\.inputs\.parameters\['(\w+)'\]\}\}")
# The job may have been compiled by another version, whose image has the settings that it needs.
_OF_ANOTHER_VERSION = ("missing", "extra_forbidden")


class Fault(NamedTuple):
    """What is wrong: of one parameter, or of several together (`parameter` is None)."""

    parameter: str | None
    found: Mapping[str, Any]

    def sentence(self, place: str) -> str:
        """Returns the fault as a sentence about `place`."""
        return explain(self.found, place)


def find_faults(parsed: Specification, values: Mapping[str, Any]) -> list[Fault]:
    """Returns what the Trainer's settings refuse of the pipeline's parameters.

    Args:
        parsed: the specification, whose structure has been checked.
        values: the pipeline's parameters.
    """
    return [
        fault
        for task in parsed.spec.root.dag.tasks.values()
        if _constant(task, "run_fn") == _RUN_FN
        for fault in _of_trainer(_constant(task, "custom_config"), values)
    ]


def _constant(task: Any, name: str) -> str:
    """Returns the constant that a task gets; empty where it gets none."""
    if name not in task.inputs.parameters:
        return ""
    return str(task.inputs.parameters[name].runtime_value.constant.string_value)


def _of_trainer(constant: str, values: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        whole = json.loads(_BARE.sub(r'"\g<0>"', constant))
        template = whole["train"]
    except (ValueError, KeyError, TypeError):
        return
    parameters = dict(_placeholders(template))
    if not parameters:
        return
    filled = _fill(template, values)
    try:
        TrainSettings.model_validate(filled)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            if found["loc"] in parameters:
                yield Fault(parameters[found["loc"]], found)
            elif found["type"] not in _OF_ANOTHER_VERSION:
                yield Fault(None, {**found, "loc": ("train", *found["loc"])})
        return
    own = {path[1:]: name for path, name in parameters.items() if path[0] == "hyperparameters"}
    if own:
        yield from _of_package(str(whole.get("package")), filled["hyperparameters"], own)


def _of_package(
    name: str, values: Mapping[str, Any], parameters: Mapping[tuple[int | str, ...], str]
) -> Iterator[Fault]:
    """Yields what the package's own class refuses, where the package is here; else the job's first steps tell."""
    prepare_environment()
    from hilir.components.trainer.model_package import load_package
    from hilir.pipeline.report.output_capture import reserved

    try:
        enter_project()
        # What TensorFlow and the package print is not the answer.
        with reserved():
            kind = load_package(name).hyperparameters
    except (ConfigError, ModelPackageError):
        return
    try:
        kind.model_validate(values)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            place = next((path for path in parameters if found["loc"][: len(path)] == path), None)
            if place is not None:
                yield Fault(parameters[place], found)
            elif found["type"] not in _OF_ANOTHER_VERSION:
                yield Fault(None, {**found, "loc": ("train", "hyperparameters", *found["loc"])})


def _placeholders(node: Any, path: tuple[int | str, ...] = ()) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Yields (path, parameter) of each value that is a placeholder."""
    if isinstance(node, (dict, list)):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _placeholders(inner, (*path, key))
    elif isinstance(node, str) and (found := _QUOTED.fullmatch(node)):
        yield path, found.group(1)


def _fill(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        return {key: _fill(inner, values) for key, inner in node.items()}
    if isinstance(node, list):
        return [_fill(inner, values) for inner in node]
    found = _QUOTED.fullmatch(node) if isinstance(node, str) else None
    value = values.get(found.group(1), node) if found else node
    # A default that is written in the specification is a double there.
    return int(value) if isinstance(value, float) and value.is_integer() else value
