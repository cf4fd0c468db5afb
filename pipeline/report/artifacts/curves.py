"""Reads the training's curves from its logs for TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from hilir.pipeline.report.artifacts.statistics import finite

_EPOCH = "epoch_"


def read_curves(uri: str) -> dict[str, dict[str, list[list[Any]]]]:
    """Returns, per metric and then per run (`train`, `validation`), the points [epoch from 1, value].

    `uri` is the Trainer's `model_run`; empty where training writes no logs (`train.tensorboard: false`).
    """
    curves: dict[str, dict[str, list[list[Any]]]] = {}
    for run, path in _event_files(os.path.join(uri, "logs")):
        for tag, step, value in _scalars(path):
            if tag.startswith(_EPOCH):
                curves.setdefault(tag.removeprefix(_EPOCH), {}).setdefault(run, []).append([step + 1, finite(value)])
    return {name: {run: sorted(points) for run, points in runs.items()} for name, runs in sorted(curves.items())}


def _event_files(folder: str) -> Iterator[tuple[str, str]]:
    for base, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if "tfevents" in name:
                yield os.path.basename(base), os.path.join(base, name)


def _scalars(path: str) -> Iterator[tuple[str, int, float]]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    for event in EventFileLoader(path).Load():
        for value in event.summary.value:
            if value.HasField("simple_value"):
                yield value.tag, event.step, float(value.simple_value)
            elif value.HasField("tensor"):
                array = make_ndarray(value.tensor)
                if array.size == 1 and array.dtype.kind in "fiu":
                    yield value.tag, event.step, float(array.ravel()[0])
