"""Transformed examples made by TensorFlow Transform, and trainings on them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
PACKAGES = str(Path(__file__).parent / "packages")
ROWS, BATCH, EPOCHS = 103, 16, 5
STEPS = 7


@dataclass
class Site:
    """One training's folders and what was seen of it."""

    root: Path
    data: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    rows: int = ROWS
    batch: int = BATCH
    epochs: int = EPOCHS
    steps_per_epoch: int = STEPS

    @property
    def ids(self) -> Path:
        return self.root / "ids"

    def job(self, *settings: str, **changes: Any) -> Any:
        from hilir.components.trainer.training_job import TrainingJob
        from hilir.pipeline.config import load

        shared = [
            f"train.epochs={EPOCHS}",
            f"train.batch_size={BATCH}",
            f"train.hyperparameters.folder={self.ids}",
            "train.tensorboard=false",
            "train.early_stopping=null",
        ]
        self.ids.mkdir(parents=True, exist_ok=True)
        config = load("configs/digits.yaml", settings=[*shared, *settings]).config
        values = {
            "package": "recorded",
            "code": "1",
            "train": config.train.model_dump(mode="json"),
            "train_files": (str(self.data / "train*"),),
            "eval_files": (str(self.data / "eval*"),),
            "transform_output": str(self.data / "transform"),
            "model_dir": str(self.root / "Trainer/model/1/Format-Serving"),
            "run_dir": str(self.root / "Trainer/model_run/1"),
        }
        return TrainingJob(**values | changes)

    def weights(self) -> list[Any]:
        """Returns the exported network's weights."""
        from recorded.model import Hyperparameters, build_model

        from hilir.components.trainer.state.weights import load_weights

        model = build_model(Hyperparameters())
        load_weights(str(self.root / "Trainer/model_run/1"), model)
        return [variable.numpy() for variable in model.weights]

    def steps(self) -> dict[int, Counter[int]]:
        """Returns how often each optimizer step saw which row."""
        found: dict[int, Counter[int]] = {}
        for path in self.ids.glob("*.txt"):
            for line in path.read_text().splitlines():
                step, _, ids = line.partition(":")
                found.setdefault(int(step), Counter()).update(map(int, ids.split()))
        return found

    def figures(self) -> list[dict[str, float]]:
        """Returns the metrics of each epoch that was reported."""
        epochs = [event for event in self.events if "epoch" in event]
        return [{name: value for name, value in event.items() if name != "epoch"} for event in epochs]

    def collectives(self) -> list[dict[str, int]]:
        """Returns, for each process that trained to the end, how many collectives a step of either kind has."""
        return [json.loads(path.read_text()) for path in self.ids.glob("*.collectives")]

    def steps_of(self, pid: int) -> int:
        """Returns the last optimizer step that the process began, -1 before the first."""
        path = self.ids / f"{pid}.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return int(lines[-1].partition(":")[0]) if lines else -1


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(record.progress)


@contextmanager
def _listening() -> Iterator[list[dict[str, Any]]]:
    """Collects what a live table would show."""
    listener, logger = _Listener(), logging.getLogger("hilir.progress")
    logger.addHandler(listener)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield listener.events
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def _packages():
    sys.path.insert(0, PACKAGES)
    yield
    sys.path.remove(PACKAGES)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, _packages: None) -> Path:
    """Returns a folder with train and eval records and the transform graph of the package `recorded`."""
    folder = tmp_path_factory.mktemp("recorded")
    # In a process of its own: Beam and TensorFlow in one process crash at the interpreter's end now and then.
    subprocess.run([sys.executable, str(Path(PACKAGES, "make_data.py")), str(folder)], check=True)
    return folder


@pytest.fixture
def site(tmp_path: Path, data: Path):
    """Returns a place for one training; its `events` are what a live table would show."""
    with _listening() as events:
        yield Site(tmp_path, data, events)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Site:
    """Returns the site of an uninterrupted training on one device, which the others are compared with."""
    from hilir.components.trainer.train import train

    with _listening() as events:
        site = Site(tmp_path_factory.mktemp("alone"), data, events)
        train(site.job(), "one_device")
    return site
