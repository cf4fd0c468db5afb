"""Lists of arrays as one file."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def write_arrays(path: str, arrays: Sequence[np.ndarray]) -> None:
    """Writes the arrays to an .npz file, which may be on an object store."""
    # TensorFlow's files cannot seek while they are written, and the format needs that.
    content = io.BytesIO()
    np.savez(content, *arrays)
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content.getvalue())


def read_arrays(path: str) -> list[np.ndarray]:
    """Returns the arrays in the order in which they were written."""
    with tf.io.gfile.GFile(path, "rb") as file:
        content = io.BytesIO(file.read())
    with np.load(content) as arrays:
        return [arrays[f"arr_{index}"] for index in range(len(arrays.files))]
