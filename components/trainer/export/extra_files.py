"""JSON objects that a SavedModel has beside its own files, in `assets.extra`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any


def write_extra(folder: str, file: str, content: Mapping[str, Any]) -> None:
    """Writes an object into a SavedModel's folder; nothing where it is empty.

    Args:
        folder: the SavedModel's.
        file: path below it.
        content: what JSON can hold.
    """
    if not content:
        return
    # Here, as the page's listing of versions reads what needs no TensorFlow from modules that import this one.
    import tensorflow as tf

    path = os.path.join(folder, file)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as opened:
        opened.write(json.dumps(content, ensure_ascii=False, sort_keys=True))


def read_extra(folder: str, file: str) -> dict[str, Any]:
    """Returns the object in a SavedModel's folder; empty where there is none."""
    import tensorflow as tf

    path = os.path.join(folder, file)
    if not tf.io.gfile.exists(path):
        return {}
    with tf.io.gfile.GFile(path) as opened:
        found: dict[str, Any] = json.load(opened)
    return found
