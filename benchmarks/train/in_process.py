"""`python -m benchmarks.train.in_process WAY DATA EPOCHS`: prints the seconds of each epoch but the first, as JSON.

WAY is `bare` (Keras's fit on tensors in memory), `one_device` or `mirrored` (two logical CPU devices).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from benchmarks.train.job import make_job
from benchmarks.train.workload.features import SIDE
from components.trainer.fit import build_network, fit
from components.trainer.package import load_package


class Stopwatch(keras.callbacks.Callback):
    """Measures whole epochs, with their evaluation and with what other callbacks do at their end."""

    def __init__(self) -> None:
        super().__init__()
        self._begins: list[float] = []
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        self._begins.append(time.perf_counter())

    def on_train_end(self, logs: Any = None) -> None:
        del logs
        ends = [*self._begins[1:], time.perf_counter()]
        # The first epoch holds the tracing.
        self.seconds = [end - begin for begin, end in zip(self._begins, ends, strict=True)][1:]


def read_tensors(path: Path) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    spec = {
        "image": tf.io.FixedLenFeature([SIDE, SIDE, 1], tf.float32),
        "label": tf.io.FixedLenFeature([1], tf.int64),
    }
    records = list(tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator())
    parsed = tf.io.parse_example(records, spec)
    return {"image": parsed["image"]}, parsed["label"]


def main(way: str, data: Path, epochs: int) -> list[float]:
    watch = Stopwatch()
    package = load_package("benchmarks.train.workload")
    if way == "bare":
        keras.utils.set_random_seed(1)
        model = build_network(package, {})
        train, evaluation = read_tensors(data / "train.gz"), read_tensors(data / "eval.gz")
        model.fit(
            *train, batch_size=64, validation_data=evaluation, validation_batch_size=64, epochs=epochs, verbose=0,
            callbacks=[watch],
        )  # fmt: skip
    else:
        devices = ["train.devices=2"] if way == "mirrored" else []
        job = make_job(data, f"train.epochs={epochs}", f"train.strategy={way}", *devices)
        kind: Any = way
        fit(job, package, tft.TFTransformOutput(job.transform_output), kind, callbacks=[watch])
    return watch.seconds


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
