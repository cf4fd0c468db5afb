"""The TFX component of the push to Vertex AI."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from hilir.components.vertex_pusher.executor import Executor
from hilir.components.vertex_pusher.settings import Target


class VertexPusherSpec(component_spec.ComponentSpec):
    """What the push needs and makes."""

    PARAMETERS = {"settings": component_spec.ExecutionParameter(type=str)}  # noqa: RUF012 - TFX's form
    INPUTS = {  # noqa: RUF012
        "version": component_spec.ChannelParameter(type=standard_artifacts.PushedModel),
    }
    OUTPUTS = {  # noqa: RUF012
        # Another name than the Pusher's output, by which reports find the version on the serving root.
        "deployed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)
    }


class VertexPusher(base_component.BaseComponent):
    """Makes a pushed version one of a model on Vertex AI and deploys it on an endpoint."""

    SPEC_CLASS = VertexPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, version: types.BaseChannel, target: Target) -> None:
        """Makes the node.

        Args:
            version: what the Pusher has pushed.
            target: where to.
        """
        super().__init__(
            spec=VertexPusherSpec(
                settings=target.model_dump_json(),
                version=version,
                deployed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
