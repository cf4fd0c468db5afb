"""Where a configuration's model goes on Vertex AI."""

from __future__ import annotations

from pydantic import ValidationError

from hilir.components.vertex_pusher.settings import Target
from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError


def make_target(config: Config, project: str | None = None) -> Target:
    """Returns the model and endpoint with all that they are made of.

    Args:
        config: the configuration.
        project: in place of one that it does not name.

    Raises:
        ConfigError: the model's name cannot be that of a model or an endpoint on Vertex AI.
    """
    vertex = config.vertex
    try:
        return Target(
            project=vertex.project or project or "",
            region=vertex.region,
            address=vertex.endpoint,
            model=vertex.push.model or config.model.name,
            endpoint=vertex.push.endpoint or config.model.name,
            service_account=vertex.service_account,
            encryption_key=vertex.encryption_key,
            labels=dict(vertex.labels),
            push=vertex.push,
        )
    except ValidationError as error:
        faults = [
            f"vertex.push.{fault['loc'][-1]}: the name of the model, '{config.model.name}', cannot be its id on Vertex "
            f"AI, which starts with a letter and has at most 63 of a-z, 0-9 and '-'; give one that can"
            for fault in error.errors()
        ]
        raise ConfigError(faults) from None
