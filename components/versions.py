"""The versions below a model's folder, for whoever only looks."""

from __future__ import annotations

import os

import tensorflow as tf

SCHEMA = "schema.pbtxt"
"""The schema in `assets.extra` of a version."""


def list_versions(folder: str) -> list[int]:
    """Returns the versions, ascending; none where there is no such folder."""
    if not tf.io.gfile.isdir(folder):
        return []
    return sorted(int(name.rstrip("/")) for name in tf.io.gfile.listdir(folder) if name.rstrip("/").isdigit())


def find_newest(folder: str, name: str) -> str | None:
    """Returns the path of a file in the newest version that has it, None where none has."""
    paths = (os.path.join(folder, str(version), name) for version in reversed(list_versions(folder)))
    return next((path for path in paths if tf.io.gfile.exists(path)), None)


def find_newest_schema(folder: str) -> str | None:
    """Returns the path of the schema of the data of the newest version, None where there is none."""
    return find_newest(folder, f"assets.extra/{SCHEMA}")
