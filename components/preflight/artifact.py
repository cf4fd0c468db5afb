"""The artifact that the preflight makes."""

from __future__ import annotations

from tfx.types import artifact


class PreflightReport(artifact.Artifact):
    """Says what was checked; `report.json` has it as data, the custom property `checked` as one line.

    Vertex AI takes no declared properties of a type that is not TFX's own
    (tfx/orchestration/kubeflow/v2/compiler_utils.py, get_artifact_schema).
    """

    TYPE_NAME = "hilir.PreflightReport"
