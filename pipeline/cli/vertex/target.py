"""What the commands on a pushed model start from."""

from __future__ import annotations

from typing import Any


def load_target(config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> tuple[Any, Any, Any]:
    """Returns the configuration, the connection, and the model's target."""
    from hilir.pipeline.config import load
    from hilir.pipeline.config.target import make_target
    from hilir.pipeline.vertex.client.connect import connect

    loaded = load(config, overlays, settings).config
    connection = connect(loaded.vertex)
    return loaded, connection, make_target(loaded, connection.project)
