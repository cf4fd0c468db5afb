"""When two executions are the same: same container, same parameters, same input artifacts."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from google.protobuf import json_format

from hilir.pipeline.emulator.executor_input import Inputs


def make_key(context: str, component: Any, executor: Any, inputs: Inputs) -> str:
    """Returns the key under which an execution is looked up.

    It holds what Vertex AI's has: the pipeline, the component's interface, the container (image, command, arguments,
    environment), the parameters after the driver, the names of the input artifacts and the names of the outputs
    (https://cloud.google.com/vertex-ai/docs/pipelines/configure-caching). Resources do not count.
    """
    content = json_format.MessageToDict(executor)
    content.get("container", {}).pop("resources", None)
    parts = {
        "context": context,
        "component": json_format.MessageToDict(component),
        "executor": content,
        "parameters": dict(inputs.parameters),
        "artifacts": {key: artifact.name for key, artifact in inputs.artifacts.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
