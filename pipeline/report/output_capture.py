"""Keeps the screen for our own output: everything else that the process prints goes to the log."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO


@contextmanager
def reserved(log: Path = Path(os.devnull)) -> Iterator[TextIO]:
    """Sends standard output and standard error to the file, C++ code's too; yields a stream to the real output.

    TensorFlow's and Beam's native code writes to the file descriptors, so these are what is redirected.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    real_out, real_err = os.dup(1), os.dup(2)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    stream = os.fdopen(os.dup(2), "w", encoding="utf-8", buffering=1)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        with (
            os.fdopen(os.dup(real_out), "w", encoding="utf-8", buffering=1) as screen,
            redirect_stdout(stream),
            redirect_stderr(stream),
        ):
            yield screen
    finally:
        logging.getLogger().removeHandler(handler)
        stream.close()
        os.dup2(real_out, 1)
        os.dup2(real_err, 2)
        os.close(real_out)
        os.close(real_err)
