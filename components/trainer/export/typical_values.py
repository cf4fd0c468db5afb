"""What stands for an empty cell of the raw features that preprocessing_fn needs in each row, kept in the SavedModel."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

FILE = "assets.extra/typical.json"
"""In the SavedModel's folder: the values by raw feature."""


def write_typical(folder: str, values: Mapping[str, Any]) -> None:
    """Writes the values by raw feature into a SavedModel's folder; nothing where there are none."""
    if not values:
        return
    path = os.path.join(folder, FILE)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(dict(values), ensure_ascii=False, sort_keys=True))


def read_typical(folder: str) -> dict[str, Any]:
    """Returns the values by raw feature; empty where none has one."""
    path = os.path.join(folder, FILE)
    if not tf.io.gfile.exists(path):
        return {}
    with tf.io.gfile.GFile(path) as file:
        found: dict[str, Any] = json.load(file)
    return found
