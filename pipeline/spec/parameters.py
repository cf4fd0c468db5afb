"""The parameters of a job: their defaults, its own values, and those of a command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from hilir.pipeline.config.faults import dotted
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.parameter_bounds import Fault, find_faults
from hilir.pipeline.spec.specification import Specification

_Type = pipeline_spec_pb2.ParameterType.ParameterTypeEnum
# From here on a double no longer has every whole number.
_LARGEST = 2**53
# What JSON has for each type of parameter.
_KINDS: dict[str, tuple[type, ...]] = {
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "STRING": (str,),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


def set_parameters(parsed: Specification, settings: Sequence[str]) -> dict[str, Any]:
    """Returns the pipeline's parameters: defaults < the job's own values < `settings` (each `name=value`).

    Raises:
        ConfigError: with each parameter that is unknown, has no value, the wrong type, or a value that the
            configuration would not take either.
    """
    definitions = parsed.spec.root.input_definitions.parameters
    values = starting_values(parsed)
    places = {name: f"runtimeConfig.parameterValues: {name}" for name in definitions}
    faults = []
    for name, value in parsed.parameter_values.items():
        place = f"runtimeConfig.parameterValues: {name}"
        faults += _unknown(place, name, definitions)
        kind = _Type.Name(definitions[name].parameter_type) if name in definitions else ""
        if (kind in _KINDS and type(value) not in _KINDS[kind]) or not _can_be_sent(value):
            faults.append(f"{place}: is {value!r:.80}, which is not {_article(kind)}; give another value")
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            faults.append(f"--parameter {setting}: is not of the form name=value")
        elif name not in definitions:
            faults += _unknown(f"--parameter {name}", name, definitions)
        else:
            places[name] = f"--parameter {name}"
            try:
                values[name] = _read(text, definitions[name].parameter_type)
            except ValueError as error:
                faults.append(f"--parameter {name}: the value {error}; give another value")
    for name, definition in definitions.items():
        if name not in values and not definition.is_optional:
            faults.append(f"the parameter '{name}' has no value; give one with --parameter {name}=…")
    if not faults:
        faults = [_describe(fault, places) for fault in find_faults(parsed, values)]
    if faults:
        raise ConfigError(faults)
    return values


def starting_values(parsed: Specification) -> dict[str, Any]:
    """Returns the parameters that the job has without a command line: the defaults, and its own values."""
    definitions = parsed.spec.root.input_definitions.parameters
    defaults = {
        name: json_format.MessageToDict(definition.default_value)
        for name, definition in definitions.items()
        if definition.HasField("default_value")
    }
    return {**defaults, **parsed.parameter_values}


def parse_value(text: str, parameter_type: int) -> Any:
    """Returns a parameter's value from a string.

    Raises:
        ValueError: the string is not of that type; the message continues "the value …".
    """
    name = _Type.Name(parameter_type)
    try:
        match name:
            case "NUMBER_INTEGER":
                return int(text)
            case "NUMBER_DOUBLE":
                return float(text)
            case "BOOLEAN":
                return {"true": True, "false": False}[text.strip().lower()]
            case "LIST" | "STRUCT":
                return json.loads(text)
            case _:
                return text
    except (ValueError, KeyError):
        raise ValueError(f"is '{text[:200]}', which is not {_article(name)}") from None


def _read(text: str, parameter_type: int) -> Any:
    value = parse_value(text, parameter_type)
    if not _can_be_sent(value):
        raise ValueError(f"is '{text:.80}', with a number that Vertex AI cannot keep")
    return value


def _article(kind: str) -> str:
    return f"a {kind}" if kind else "a value of JSON"


def _describe(fault: Fault, places: Mapping[str, str]) -> str:
    if fault.parameter is not None:
        return fault.sentence(places[fault.parameter])
    return fault.sentence(f"the parameters do not fit together: {dotted(fault.found['loc'])}")


def _can_be_sent(value: Any) -> bool:
    """Returns whether the value arrives unchanged on Vertex AI, whose numbers are finite doubles."""
    if type(value) is int and abs(value) > _LARGEST:
        return False
    try:
        json_format.MessageToDict(json_format.ParseDict(value, struct_pb2.Value()))
    except (json_format.ParseError, ValueError, TypeError, OverflowError):
        return False
    return True


def _unknown(place: str, name: str, definitions: Mapping[str, Any]) -> list[str]:
    if name in definitions:
        return []
    close = get_close_matches(name.replace(".", "_"), definitions, n=1)
    known = f"its parameters are {', '.join(sorted(definitions))}" if definitions else "it has none"
    return [f"{place}: is not a parameter of this pipeline; " + (f"did you mean '{close[0]}'?" if close else known)]
