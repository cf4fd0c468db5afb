"""Which label belongs to which output, of a SavedModel with several."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import tensorflow as tf

FILE = "assets.extra/labels.json"
"""In the SavedModel's folder: the names of the labels by output."""


def write_labels(folder: str, label: str | Mapping[str, str]) -> None:
    """Writes the labels by output into a SavedModel's folder; nothing where there is one for all."""
    if isinstance(label, str):
        return
    path = os.path.join(folder, FILE)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(dict(label), ensure_ascii=False, sort_keys=True))


def read_labels(folder: str) -> dict[str, str]:
    """Returns the names of the labels by output; empty where the SavedModel has one label for all."""
    path = os.path.join(folder, FILE)
    if not tf.io.gfile.exists(path):
        return {}
    with tf.io.gfile.GFile(path) as file:
        found: dict[str, str] = json.load(file)
    return found
