"""From a configuration to a connection with Vertex AI."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from hilir.components.settings import Section
from hilir.components.vertex.connection import Connection
from hilir.components.vertex.errors import VertexError
from hilir.pipeline.config.documented_keys import base_path
from hilir.pipeline.config.faults import describe
from hilir.pipeline.config.layers import Layer, merge, read_file, read_setting
from hilir.pipeline.config.vertex import VertexSection
from hilir.pipeline.errors import ConfigError

_PROJECT = "GOOGLE_CLOUD_PROJECT"


class _Part(Section):
    """The part of a configuration that says where Vertex AI is."""

    vertex: VertexSection


def load_vertex(
    path: str | None, overlays: Sequence[str], settings: Sequence[str], compiled: Layer | None = None
) -> VertexSection:
    """Returns the section `vertex` alone, for commands that need no pipeline.

    Args:
        path: a configuration.
        overlays: files on top of it.
        settings: `a.b=c` of the command line, on top of all.
        compiled: what a compiled job says, below all that the command line names.

    Raises:
        ConfigError: with every fault found.
    """
    layers = [read_file(base_path(), "base.yaml")]
    layers += [compiled] if compiled else []
    layers += [read_file(Path(file)) for file in ([path] if path else [])]
    layers += [read_file(Path(overlay)) for overlay in overlays]
    layers += [read_setting(setting) for setting in settings]
    # Other sections of an overlay may refer to a model that is not known here.
    layers = [Layer(layer.name, {"vertex": layer.values.get("vertex") or {}}) for layer in layers]
    try:
        return _Part.model_validate(merge(layers)[0]).vertex
    except ValidationError as error:
        raise ConfigError(describe(error, layers)) from None


def find_project(vertex: VertexSection, *, ask: bool = True) -> str:
    """Returns the project: the configuration's, GOOGLE_CLOUD_PROJECT's, or, if `ask`, that of the credentials.

    Raises:
        ConfigError: there is none.
    """
    project = vertex.project or os.environ.get(_PROJECT)
    if not project and ask and vertex.endpoint is None:
        project = _project_of_credentials()
    if not project:
        raise ConfigError(
            f"vertex.project: is not given, and {_PROJECT} is not set; give the project's id, for example "
            f"--set vertex.project=my-project"
        )
    return project


def connect(vertex: VertexSection, project: str | None = None, region: str | None = None) -> Connection:
    """Returns the connection; nothing is sent yet."""
    return Connection(project or find_project(vertex), region or vertex.region, vertex.endpoint)


def connect_to(vertex: VertexSection, name: str) -> Connection:
    """Returns the connection for a resource; its full name says its project and region, an id neither."""
    parts = name.split("/")
    if len(parts) == 6 and parts[0] == "projects" and parts[2] == "locations":
        return connect(vertex, parts[1], parts[3])
    return connect(vertex)


def _project_of_credentials() -> str | None:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        return google.auth.default()[1] or None
    except DefaultCredentialsError:
        raise VertexError(
            "no credentials for Google Cloud were found on this machine; type 'gcloud auth application-default login', "
            "or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
        ) from None
