"""From the text of a specification to one that can be run: checked, parameters set, buckets mapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hilir.pipeline.emulator.buckets import Mount, bucket_of, map_uris
from hilir.pipeline.emulator.refusals import find_refusals
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.parameters import set_parameters
from hilir.pipeline.spec.specification import Specification, parse
from hilir.pipeline.spec.structure import check_structure
from hilir.pipeline.spec.vertex_names import check_names


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
