"""What TensorFlow reads from the environment when it is imported."""

from __future__ import annotations

import os


def prepare_environment() -> None:
    """Chooses Keras 2, which TFX's pipelines need, and leaves out what TensorFlow says of itself; before its import."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
