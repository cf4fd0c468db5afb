"""Sends the Beam pipelines of chosen steps to Dataflow."""

from __future__ import annotations

from typing import Any

from hilir.pipeline.config.schema import Config
from hilir.pipeline.engine.dataflow import list_dataflow_options
from hilir.pipeline.vertex.compile.containers import containers, unknown_steps

Json = dict[str, Any]

# What TFX's compiler puts before the Beam arguments (tfx/orchestration/kubeflow/v2/step_builder.py).
_LAST_OF_TFX = "--json_serialized_inputs_spec_args"


def use_dataflow(job: Json, config: Config) -> list[str]:
    """Replaces the Beam arguments of the steps that `vertex.dataflow.steps` names; returns what is missing for it."""
    chosen = config.vertex.dataflow.steps
    if not chosen:
        return []
    found = dict(containers(job))
    faults = unknown_steps("vertex.dataflow.steps", chosen, list(found))
    if config.vertex.project is None:
        faults.append("vertex.project: Dataflow needs it in the compiled pipeline; give the project's id")
    if config.vertex.bucket is None:
        faults.append("vertex.bucket: Dataflow needs a place for temporary files; give the bucket's name")
    for step in chosen:
        if step in found:
            arguments = found[step]["args"]
            end = arguments.index(_LAST_OF_TFX) + 2
            found[step]["args"] = [*arguments[:end], *list_dataflow_options(config, str(found[step]["image"]))]
    return faults
