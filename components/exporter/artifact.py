"""The artifact that an exporter makes."""

from __future__ import annotations

from tfx.types import artifact


class ModelExport(artifact.Artifact):
    """The files of one format, with `export.json`; empty where the model was not blessed.

    The custom properties are `format`, and `kept` and `refused`, which name variants, separated by commas. Vertex AI
    takes no declared properties of a type that is not TFX's own, and asks for a name of this form
    (tfx/orchestration/kubeflow/v2/compiler_utils.py, get_artifact_schema).
    """

    TYPE_NAME = "hilir.ModelExport"
