"""Transformed examples made by TensorFlow Transform, and trainings on them."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
PACKAGES = str(Path(__file__).parent / "packages")
ROWS, HELD_OUT, BATCH, EPOCHS = 103, 21, 16, 5
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
        from components.trainer.job import Job
        from pipeline.config import load

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
        return Job(**values | changes)

    def weights(self) -> list[Any]:
        """Returns the exported network's weights."""
        from recorded.model import Hyperparameters, build_model

        from components.trainer.weights import load_weights

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


@pytest.fixture(scope="session", autouse=True)
def _packages():
    sys.path.insert(0, PACKAGES)
    yield
    sys.path.remove(PACKAGES)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, _packages: None) -> Path:
    """Returns a folder with train and eval records and the transform graph of the package `recorded`."""
    import apache_beam as beam
    import numpy as np
    import tensorflow as tf
    import tensorflow_transform.beam as tft_beam
    from recorded import features
    from recorded.preprocessing import preprocessing_fn
    from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

    folder = tmp_path_factory.mktemp("recorded")
    spec = {
        "x": tf.io.FixedLenFeature([features.WIDTH], tf.float32),
        "id": tf.io.FixedLenFeature([1], tf.int64),
        "label": tf.io.FixedLenFeature([1], tf.int64),
    }
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    random = np.random.default_rng(7)
    centres = random.normal(size=(3, features.WIDTH))
    rows = []
    for row in range(ROWS + HELD_OUT):
        label = int(random.integers(3))
        x = (centres[label] + random.normal(scale=0.7, size=features.WIDTH)).astype("float32")
        rows.append({"x": x, "id": np.array([row]), "label": np.array([label])})
    with beam.Pipeline("FnApiRunner") as pipeline, tft_beam.Context(temp_dir=str(folder / "tmp")):
        raw = pipeline | beam.Create(rows)
        function = (raw, metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
        function | tft_beam.WriteTransformFn(str(folder / "transform"))
    metadata_io.write_metadata(metadata, str(folder / "transform/metadata"))
    _write(folder / "train-00000-of-00001.gz", rows[:ROWS])
    _write(folder / "eval-00000-of-00001.gz", rows[ROWS:])
    return folder


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    import tensorflow as tf

    def feature(name: str, values: Any) -> tf.train.Feature:
        if name == "x":
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in rows:
            features = tf.train.Features(feature={name: feature(name, values) for name, values in row.items()})
            writer.write(tf.train.Example(features=features).SerializeToString())


@pytest.fixture
def site(tmp_path: Path, data: Path):
    """Returns a place for one training; its `events` are what a live table would show."""
    listener, logger = _Listener(), logging.getLogger("hilir.progress")
    logger.addHandler(listener)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield Site(tmp_path, data, listener.events)
    logger.removeHandler(listener)
    logger.setLevel(level)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Site:
    """Returns the site of an uninterrupted training on one device, which the others are compared with."""
    from components.trainer.train import train

    site = Site(tmp_path_factory.mktemp("alone"), data)
    train(site.job(), "one_device")
    return site
