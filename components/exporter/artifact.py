"""The artifact that an exporter makes."""

from __future__ import annotations

from tfx.types import artifact


class ModelExport(artifact.Artifact):
    """The files of one format, with `export.json`; empty where the model was not blessed.

    `kept` and `refused` name variants, separated by commas.
    """

    TYPE_NAME = "ModelExport"
    PROPERTIES = {  # noqa: RUF012 - TFX's form
        "format": artifact.Property(type=artifact.PropertyType.STRING),
        "kept": artifact.Property(type=artifact.PropertyType.STRING),
        "refused": artifact.Property(type=artifact.PropertyType.STRING),
    }
