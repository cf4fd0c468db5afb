"""The TFX executor of the push to Vertex AI."""

from __future__ import annotations

import json
import os
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from hilir.components.vertex.errors import VertexError
from hilir.components.vertex_pusher.push import Pushed, connect, push
from hilir.components.vertex_pusher.settings import Target

REPORT = "vertex.json"
"""File of the output: full names of version and endpoint, shares in percent, removed versions."""


class Executor(base_executor.BaseExecutor):
    """Pushes what the Pusher has made to Vertex AI."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Makes the version one of the registry, and deploys it; does nothing where the Pusher pushed nothing.

        Raises:
            VertexError: something was refused, or the version is on this machine, which Vertex AI does not see.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        version = artifact_utils.get_single_instance(input_dict["version"])
        deployed = artifact_utils.get_single_instance(output_dict["deployed_model"])
        if not version.get_int_custom_property("pushed"):
            deployed.set_int_custom_property("pushed", 0)
            return
        target = Target.model_validate_json(exec_properties["settings"])
        number = int(version.get_string_custom_property("pushed_version"))
        uri = version.get_string_custom_property("pushed_destination")
        connection = connect(target)
        if "://" not in uri and not connection.emulated:
            raise VertexError(
                f"the version is in {uri} on this machine, which Vertex AI does not see; set serving.root to a bucket "
                f"(gs://…), or vertex.push.enabled to false for runs on this machine"
            )
        pushed = push(connection, target, number, uri, _describe(uri))
        deployed.set_int_custom_property("pushed", 1)
        deployed.set_string_custom_property("pushed_version", str(number))
        deployed.set_string_custom_property("pushed_destination", pushed.endpoint)
        _write_report(deployed.uri, pushed)


def _describe(uri: str) -> str:
    """Returns a line of the version's manifest: run, commit and metrics are looked up there."""
    path = os.path.join(uri, "manifest.json")
    if not fileio.exists(path):
        return uri
    with fileio.open(path, "r") as file:
        manifest = json.load(file)
    return f"run {manifest['run_id']}, code {manifest['code']['commit'] or manifest['code']['fingerprint'][:12]}, {uri}"


def _write_report(folder: str, pushed: Pushed) -> None:
    fileio.makedirs(folder)
    content = {
        "model": pushed.model,
        "endpoint": pushed.endpoint,
        "traffic": {f"v{number}": share for number, share in sorted(pushed.shares.items())},
        "removed": list(pushed.removed),
    }
    with fileio.open(os.path.join(folder, REPORT), "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
