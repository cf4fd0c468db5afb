"""Tests that need a GPU; without one they are skipped with a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.training.conftest import Site, _packages, data, site  # noqa: F401 - fixtures

_COUNT = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session", autouse=True)
def _gpu():
    # Asked in a process of its own: here, TensorFlow would keep the memory of the GPU.
    done = subprocess.run([sys.executable, "-c", _COUNT], capture_output=True, text=True, timeout=120, check=True)
    if int(done.stdout.split()[-1]) == 0:
        pytest.skip("this machine has no GPU that TensorFlow can use; install hilir[gpu] on one with an NVIDIA GPU")
