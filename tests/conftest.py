"""What all tests share: the environment that TensorFlow wants, and runs of whole pipelines made once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import browser, playwright  # noqa: F401 - fixtures
from tests.forking import run_hilir

# A shell that starts the tests in the background lets them ignore Ctrl-C, and their children too; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = Path(__file__).resolve().parent.parent
TAXI_CSV = "tfx/examples/chicago_taxi_pipeline/data/simple/data.csv"


@dataclass(frozen=True)
class Place:
    """A folder of its own for the artifacts, versions and run folders of a pipeline."""

    root: Path

    @property
    def settings(self) -> list[str]:
        """The settings that send everything a run writes below the folder."""
        return [
            f"pipeline.root={self.root}/pipelines",
            f"pipeline.runs={self.root}/runs",
            f"serving.root={self.root}/models",
        ]

    @property
    def models(self) -> Path:
        """The serving root."""
        return self.root / "models"

    @property
    def _sets(self) -> list[str]:
        return [part for setting in self.settings for part in ("--set", setting)]

    def words(self, config: str, *arguments: str) -> list[str]:
        """Returns the words after `hilir` of a run in this place."""
        return ["run", config, *self._sets, *arguments]

    def hilir(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs any other command of `hilir` on what is in this place."""
        return run_hilir([*arguments, *self._sets], cwd=ROOT)

    def run(self, config: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Runs `hilir run … --json` in a process of its own; returns the object of the last line."""
        done = run_hilir(self.words(config, "--json", *arguments), cwd=ROOT)
        assert done.returncode == code, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result | {"stdout": done.stdout, "stderr": done.stderr}


@pytest.fixture(scope="session")
def taxi_rows() -> Path:
    """The CSV of taxi trips inside the TFX package (found without importing TFX)."""
    from hilir.pipeline.config.data_path import resolve

    return Path(resolve(f"package:{TAXI_CSV}"))


@pytest.fixture(scope="session")
def make_place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Place]:
    """Makes places for runs."""
    return lambda name: Place(tmp_path_factory.mktemp(name))


@pytest.fixture(scope="session")
def taxi_run(make_place: Callable[[str], Place]) -> tuple[Place, dict[str, Any]]:
    """A whole run of configs/taxi.yaml, made once by the command line: where, and its JSON."""
    place = make_place("taxi")
    return place, place.run("configs/taxi.yaml")


@pytest.fixture(scope="session")
def digits_run(make_place: Callable[[str], Place]) -> tuple[Place, dict[str, Any]]:
    """A whole run of configs/digits.yaml, made once by the command line: where, and its JSON."""
    place = make_place("digits")
    return place, place.run("configs/digits.yaml", "--set", f"data.path={place.root}/data")


@pytest.fixture
def small_taxi(tmp_path: Path, taxi_rows: Path) -> Iterator[Path]:
    """A folder with the first 2,000 rows of the taxi trips."""
    folder = tmp_path / "data"
    folder.mkdir()
    with taxi_rows.open() as source, (folder / "data.csv").open("w") as target:
        target.writelines(line for _, line in zip(range(2001), source, strict=False))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
