"""What a server writes: log lines of one line each, and nothing of what TensorFlow's libraries write at their start."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hilir.analysis.text import show_unprintable

_NVIDIA_DRIVER = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")


class LineFormatter(logging.Formatter):
    """A message is one line, whatever names and values are in it; a traceback follows as it is."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Return the line, with what cannot be printed written as Python would."""
        record.message = show_unprintable(record.message)
        return super().formatMessage(record)


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Keep back what is written to the error stream while TensorFlow is imported and looks for GPUs.

    Its libraries write there whatever the log level, an error of CUDA's among it on a machine without a GPU. What
    was kept back is shown if the import fails, or if the machine has a GPU that TensorFlow cannot use.
    """
    sys.stderr.flush()
    real = os.dup(2)
    shown = True
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
            shown = not _finds_gpu() and any(Path(path).exists() for path in _NVIDIA_DRIVER)
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
            if shown:
                kept.seek(0)
                os.write(2, kept.read())


def _finds_gpu() -> bool:
    """True if TensorFlow has a GPU; the first call makes it look."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
