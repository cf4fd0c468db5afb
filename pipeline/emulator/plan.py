"""From the text of a specification to one that can be run: checked, parameters set, buckets mapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from hilir.pipeline.emulator.buckets import Mount, bucket_of, map_uris
from hilir.pipeline.emulator.errors import StepError
from hilir.pipeline.emulator.executor_input import convert
from hilir.pipeline.emulator.refusals import find_refusals
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.local_paths import starting_values
from hilir.pipeline.spec.names import check_names
from hilir.pipeline.spec.specification import Specification, parse
from hilir.pipeline.spec.structure import check_structure

_Type = pipeline_spec_pb2.ParameterType.ParameterTypeEnum
# What JSON has for each type of parameter.
_KINDS: dict[str, tuple[type, ...]] = {
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "STRING": (str,),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


def make_plan(
    job: Mapping[str, Any], parameters: Sequence[str], mounts: Sequence[Mount], workdir: Path
) -> Specification:
    """Returns the specification to run.

    Args:
        job: the pipeline job as JSON values.
        parameters: `name=value` from the command line.
        mounts: folders of buckets; the bucket of the pipeline root has one below `workdir` without being named.
        workdir: where artifacts go.

    Raises:
        ConfigError: with every fault of the specification, every feature that is not emulated, and every parameter that
            is unknown, has no value or the wrong type.
    """
    parsed = parse(job)
    faults = check_structure(parsed)
    faults = faults or [*check_names(parsed), *find_refusals(parsed)]
    if faults:
        raise ConfigError(faults)
    values = set_parameters(parsed, parameters)
    bucket = bucket_of(parsed.output_directory)
    own = [Mount(bucket, str(workdir.absolute() / "gs" / bucket.removeprefix("gs://")))] if bucket else []
    runtime = {**(job.get("runtimeConfig") or {}), "parameterValues": values}
    mapped = parse(map_uris({**job, "runtimeConfig": runtime}, [*mounts, *own]))
    directory = mapped.output_directory or str(workdir / "root")
    return replace(mapped, output_directory=str(Path(directory).absolute()))


def notes(parsed: Specification) -> list[str]:
    """Returns what differs on this machine without changing what is run: a line per accelerator asked for."""
    lines = []
    for label, executor in parsed.deployment.executors.items():
        accelerator = executor.container.resources.accelerator
        kind = accelerator.type or accelerator.resource_type
        if kind:
            step = label.removesuffix("_executor")
            lines.append(f"{step} asks for {accelerator.count or 1} {kind}; here it gets what this machine has")
    return lines


def set_parameters(parsed: Specification, settings: Sequence[str]) -> dict[str, Any]:
    """Returns the pipeline's parameters: defaults < the job's own values < `settings` (each `name=value`).

    Raises:
        ConfigError: with each parameter that is unknown, has no value or the wrong type.
    """
    definitions = parsed.spec.root.input_definitions.parameters
    values = starting_values(parsed)
    faults = []
    for name, value in parsed.parameter_values.items():
        place = f"runtimeConfig.parameterValues: {name}"
        faults += _unknown(place, name, definitions)
        kind = _Type.Name(definitions[name].parameter_type) if name in definitions else ""
        if (kind in _KINDS and type(value) not in _KINDS[kind]) or not _can_be_sent(value):
            faults.append(f"{place}: is {value!r:.80}, which is no {kind or 'value'}; give another value")
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            faults.append(f"--parameter {setting}: is not of the form name=value")
        elif name not in definitions:
            faults += _unknown(f"--parameter {name}", name, definitions)
        else:
            try:
                values[name] = _read(text, definitions[name].parameter_type)
            except StepError as error:
                faults.append(f"--parameter {name}: {error}; give another value")
    for name, definition in definitions.items():
        if name not in values and not definition.is_optional:
            faults.append(f"the parameter '{name}' has no value; give one with --parameter {name}=…")
    if faults:
        raise ConfigError(faults)
    return values


def _read(text: str, parameter_type: int) -> Any:
    value = convert(text, parameter_type, "the value")
    if not _can_be_sent(value):
        raise StepError(f"the value is '{text:.80}', which has a number that JSON has not")
    return value


def _can_be_sent(value: Any) -> bool:
    """Says whether the value survives its way to Vertex AI, whose numbers are finite doubles."""
    try:
        json_format.MessageToDict(json_format.ParseDict(value, struct_pb2.Value()))
    except (json_format.ParseError, ValueError, TypeError, OverflowError):
        return False
    return True


def _unknown(place: str, name: str, definitions: Mapping[str, Any]) -> list[str]:
    if name in definitions:
        return []
    close = get_close_matches(name.replace(".", "_"), definitions, n=1)
    known = f"there are {', '.join(sorted(definitions))}" if definitions else "the specification has none"
    return [f"{place}: there is no such parameter; " + (f"did you mean '{close[0]}'?" if close else known)]
