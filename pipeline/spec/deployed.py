"""The machines that a job leaves running: those of the endpoint that it pushes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from hilir.components.vertex_pusher.settings import Target
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.executors import option_of, steps
from hilir.pipeline.spec.specification import Specification

_EXECUTOR = "hilir.components.vertex_pusher.executor.Executor"
_SETTINGS = "settings"


@dataclass(frozen=True)
class Deployed:
    """The versions that a step keeps on an endpoint, and the most machines of each."""

    step: str
    endpoint: str
    machine: str
    versions: int
    replicas: int

    @property
    def line(self) -> str:
        """A line for the screen."""
        return (
            f"until undeployed: {self.versions * self.replicas} x {self.machine} of the endpoint {self.endpoint} "
            f"({self.step}: {self.versions} versions with up to {self.replicas} each; one version more during a push, "
            f"and each older one that still has traffic)"
        )


def find_deployed(parsed: Specification) -> Iterator[Deployed]:
    """Yields what each step that pushes to Vertex AI keeps deployed; the specification's structure has been checked.

    Raises:
        ConfigError: such a step has other settings than this version of the program writes.
    """
    for step, task, executor in steps(parsed):
        name = option_of(executor.container.args, "executor_class_path")
        if name == _EXECUTOR and _SETTINGS in task.inputs.parameters:
            yield _read(step, task.inputs.parameters[_SETTINGS].runtime_value.constant.string_value)


def _read(step: str, settings: str) -> Deployed:
    try:
        target = Target.model_validate_json(settings)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "all of them"
        raise ConfigError(
            f"step {step}: its settings are not those of this version of hilir ({place}); compile again"
        ) from None
    push = target.push
    machine = push.machine_type
    if push.accelerator:
        machine += f" with {push.accelerators} {push.accelerator}"
    return Deployed(step, target.endpoint, machine, push.keep_versions, push.max_replicas)
