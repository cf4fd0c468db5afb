"""What runs inside a pipeline step, on a worker, in the image. Pure functions first, thin TFX wrappers last."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Vertex AI has the import path of an artifact type as `<package>.<Class>` and no longer
# (tfx/orchestration/kubeflow/v2/compiler_utils.py, _SCHEMA_TITLE_RE); a step imports it by that path.
_ARTIFACT_TYPES = {
    "DataBlessing": "components.data_gate.component",
    "ModelExport": "components.exporter.artifact",
}


def __getattr__(name: str) -> Any:
    """Returns one of our artifact types."""
    if name in _ARTIFACT_TYPES:
        return getattr(import_module(_ARTIFACT_TYPES[name]), name)
    raise AttributeError(f"module 'components' has no attribute '{name}'")
