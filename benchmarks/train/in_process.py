"""`python -m benchmarks.train.in_process WAY DATA EPOCHS TURNS`: trains in one process, in turns with others.

WAY is `bare` (Keras's fit on tensors in memory), `one_device` or `mirrored` (two logical CPU devices).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from benchmarks.train.job import make_job
from benchmarks.train.workload.features import SIDE
from hilir.components.trainer.fit import build_network, fit
from hilir.components.trainer.model_package import load_package


def read_tensors(path: Path) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    spec = {
        "image": tf.io.FixedLenFeature([SIDE, SIDE, 1], tf.float32),
        "label": tf.io.FixedLenFeature([1], tf.int64),
    }
    records = list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())
    parsed = tf.io.parse_example(records, spec)
    return {"image": parsed["image"]}, parsed["label"]


def main(way: str, data: Path, epochs: int, turns: str) -> None:
    package = load_package("benchmarks.train.workload")
    if way == "bare":
        keras.utils.set_random_seed(1)
        model = build_network(package, {"turns": turns})
        train, evaluation = read_tensors(data / "train.gz"), read_tensors(data / "eval.gz")
        model.fit(
            *train, batch_size=64, validation_data=evaluation, validation_batch_size=64, epochs=epochs, verbose=0,
            callbacks=[],
        )  # fmt: skip
    else:
        devices = ["train.devices=2"] if way == "mirrored" else []
        job = make_job(
            data, f"train.epochs={epochs}", f"train.strategy={way}", f"train.hyperparameters.turns={turns}", *devices
        )
        kind: Any = way
        fit(job, package, tft.TFTransformOutput(job.transform_output), kind)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
