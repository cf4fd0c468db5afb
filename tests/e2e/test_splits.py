"""A third split, under names of the user's own: each split is used for what `data.roles` says."""

from __future__ import annotations

import pytest
import tensorflow as tf

from hilir.pipeline.config import load
from hilir.pipeline.run.local_run import Options, run_locally

pytestmark = pytest.mark.pipeline

SETTINGS = [
    "data.splits={learn: 6, watch: 2, judge: 1, later: 1}",
    "data.roles={train: learn, validate: watch, evaluate: judge}",
    "schema.path=null",
    "train.epochs=1",
    "evaluate.slices={}",
    "evaluate.thresholds=[{metric: auc, min: 0.1}]",
]


def test_each_split_has_its_role(make_place, tmp_path, taxi_rows):
    place = make_place("splits")
    (tmp_path / "data.csv").write_text("".join(taxi_rows.read_text().splitlines(keepends=True)[:3001]))
    summaries = []
    loaded = load("configs/taxi.yaml", settings=[*place.settings, f"data.path={tmp_path}", *SETTINGS])
    run_locally(loaded, Options("hilir run configs/taxi.yaml"), summaries.append)
    result = summaries[-1].as_dict()
    assert (result["status"], result["version"]) == ("succeeded", 1)
    root = place.root / "pipelines" / "taxi"
    (examples,) = (root / "ExampleGen/examples").iterdir()
    rows = {folder.name: count(folder) for folder in examples.glob("Split-*")}
    assert set(rows) == {"Split-learn", "Split-watch", "Split-judge", "Split-later"}
    assert sum(rows.values()) == 3000
    assert result["metrics"]["example_count"] == rows["Split-judge"]
    for made in ("StatisticsGen/statistics", "ExampleValidator/anomalies", "Transform/transformed_examples"):
        (folder,) = (root / made).iterdir()
        assert {path.name for path in folder.glob("Split-*")} == set(rows)
    (transformed,) = (root / "Transform/transformed_examples").iterdir()
    assert {folder.name: count(folder) for folder in transformed.glob("Split-*")} == rows


def count(folder):
    files = [str(path) for path in folder.iterdir()]
    return sum(1 for _ in tf.data.TFRecordDataset(files, "GZIP"))
