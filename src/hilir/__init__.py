"""From data to a served, monitored and retrained TensorFlow model.

`pipeline` runs on the operator's machine, `components` inside a pipeline's steps, `serving` in production;
`configs` is data.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Vertex AI has the import path of an artifact type as `<package>.<Class>` and no longer
# (tfx/orchestration/kubeflow/v2/compiler_utils.py, _SCHEMA_TITLE_RE); a step imports it by that path.
_ARTIFACT_TYPES = {
    "DataBlessing": "hilir.components.data_gate.component",
    "ModelExport": "hilir.components.exporter.artifact",
    "PreflightReport": "hilir.components.preflight.artifact",
}


def __getattr__(name: str) -> Any:
    """Returns one of our artifact types, without TFX having been imported before."""
    if name in _ARTIFACT_TYPES:
        return getattr(import_module(_ARTIFACT_TYPES[name]), name)
    raise AttributeError(f"module 'hilir' has no attribute '{name}'")
