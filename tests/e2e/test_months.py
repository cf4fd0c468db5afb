"""A project of one's own, month after month: empty cells, new categories, shifts, columns that are gone."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hilir.pipeline.config import load
from hilir.pipeline.errors import StepFailed
from hilir.pipeline.run.local_run import Options, run_locally

pytestmark = pytest.mark.pipeline

SOURCES = {
    "monthly/__init__.py": "",
    "monthly/features.py": 'LABEL = "heavy"\nLABEL_COLUMNS = ("mass",)\n',
    "monthly/preprocessing.py": """
import tensorflow as tf
import tensorflow_transform as tft

from monthly_shapes import flat


def preprocessing_fn(inputs):
    island = tft.compute_and_apply_vocabulary(inputs["island"], num_oov_buckets=1, vocab_filename="island")
    return {
        "flipper": flat(tft.scale_to_z_score(inputs["flipper"]), 0.0),
        "island": flat(island, 4),
        "eggs": tf.clip_by_value(flat(inputs["eggs"], 4), 0, 4),
        "depth": tf.math.log1p(inputs["depth"]),
        "heavy": tf.cast(flat(inputs["mass"], 0) > 4000, tf.int64),
    }
""",
    "monthly_shapes.py": """
import tensorflow as tf


def flat(values, missing):
    if isinstance(values, tf.SparseTensor):
        values = tf.sparse.to_dense(values, tf.cast(missing, values.dtype))
    return tf.reshape(values, [-1, 1])
""",
    "monthly/model.py": """
import tf_keras as keras
from pydantic import BaseModel


class Hyperparameters(BaseModel):
    units: int = 8


def build_model(hparams):
    inputs = {
        "flipper": keras.Input((1,), name="flipper"),
        "depth": keras.Input((1,), name="depth"),
        "island": keras.Input((1,), name="island", dtype="int64"),
        "eggs": keras.Input((1,), name="eggs", dtype="int64"),
    }
    parts = [inputs["flipper"], inputs["depth"]]
    for name, size in (("island", 6), ("eggs", 5)):
        parts.append(keras.layers.Flatten()(keras.layers.Embedding(size, 2)(inputs[name])))
    hidden = keras.layers.Dense(hparams.units, activation="relu")(keras.layers.Concatenate()(parts))
    model = keras.Model(inputs, {"heavy": keras.layers.Dense(1, activation="sigmoid", name="heavy")(hidden)})
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="binary_crossentropy")
    return model
""",
}


def write_month(folder: Path, seed: int, *, holes=False, shift=0.0, new=0.0, digits=1, without: str = "") -> Path:
    """Writes 1,500 birds; `holes`: some cells are empty, `new`: the share of rows on an island not seen before.

    `digits`: of the depth of the bills.
    """
    rows = random.Random(seed)
    lines = []
    for number in range(1500):
        flipper = rows.gauss(200, 14)
        row = {
            "flipper": f"{flipper + shift:.1f}",
            "island": "Anvers" if rows.random() < new else rows.choice(["Biscoe", "Dream", "Torgersen"]),
            "eggs": str(rows.randint(0, 3)),
            "depth": f"{rows.gauss(17, 2):.{digits}f}",
            "observer": "Zoe" if new and number % 2 else rows.choice(["Ann", "Bo"]),
            "mass": str(int(4000 + (flipper - 200) * 50 + rows.gauss(0, 300))),
        }
        if holes:
            row |= {name: "" for at, name in enumerate(("flipper", "island", "eggs", "depth")) if number % 60 == at}
        lines.append({name: value for name, value in row.items() if name != without})
    folder.mkdir()
    text = [",".join(lines[0]), *(",".join(line.values()) for line in lines)]
    (folder / "birds.csv").write_text("\n".join(text) + "\n")
    return folder


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "monthly.yaml"
        for name, content in SOURCES.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content.lstrip("\n"))
        self.config.write_text(
            "model: {name: monthly, package: monthly}\n"
            f"pipeline: {{root: {folder}/out/pipelines, runs: {folder}/runs}}\n"
            f"serving: {{root: {folder}/out/models}}\n"
            'data: {path: unused, pattern: "*.csv"}\n'
            "train: {epochs: 2, batch_size: 64}\n"
            "evaluate:\n  metrics: [{name: auc, class: AUC}]\n"
            "  thresholds: [{metric: auc, min: 0.5, change: {absolute: -0.5}}]\n"
        )

    def run(self, data: Path, *settings: str, **options: Any) -> dict[str, Any]:
        summaries: list[Any] = []
        loaded = load(self.config, settings=[f"data.path={data}", *settings])
        run_locally(loaded, Options(f"hilir run {self.config}", **options), summaries.append)
        return summaries[-1].as_dict()

    def check(self, data: Path, *settings: str) -> dict[str, Any]:
        return self.run(data, *settings, last=("DataGate",))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("monthly")
    path = list(sys.path)
    made = Project(folder)
    made.first = made.run(write_month(folder / "month1", 1))
    yield made
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("monthly", "monthly_shapes")]:
        del sys.modules[name]


def test_the_first_run_says_that_there_was_no_schema(project):
    assert project.first["version"] == 1
    assert project.first["data"] == {
        "checked_against": "", "anomalies": [], "filled": {}, "drift_since": "", "drift": []
    }  # fmt: skip
    extra = Path(project.first["version_path"]) / "assets.extra"
    assert 'domain: "island"' in (extra / "schema.pbtxt").read_text()


def test_rows_with_empty_cells_are_answered_as_preprocessing_has_it(project):
    import tensorflow as tf

    model = tf.saved_model.load(project.first["version_path"])
    empty = tf.train.Example().SerializeToString()
    labelled = tf.train.Example()
    labelled.features.feature["mass"].int64_list.value.append(5000)
    labelled.features.feature["depth"].float_list.value.append(17.0)
    rows = tf.constant([labelled.SerializeToString()] * 2)
    transformed = model.signatures["transform_features"](examples=rows)
    assert {name: transformed[name].numpy().tolist() for name in ("flipper", "island", "eggs")} == {
        "flipper": [[0.0], [0.0]],
        "island": [[4], [4]],
        "eggs": [[4], [4]],
    }
    one = model.signatures["examples"](examples=tf.constant([empty]))["heavy"].numpy()
    missing = {"flipper": [np.nan], "island": [""], "eggs": [-(2**63)], "depth": [np.nan]}
    named = model.signatures["serving_default"](
        **{
            name: tf.constant(value, {"flipper": tf.float32, "eggs": tf.int64, "depth": tf.float32}.get(name))
            for name, value in missing.items()
        }
    )
    np.testing.assert_allclose(one, named["heavy"].numpy(), atol=1e-6)
    assert one.shape == (1, 1)


def test_numbers_that_are_shifted_are_told_and_stop_if_asked(project, tmp_path):
    data = write_month(tmp_path / "shifted", 3, shift=150)
    found = project.check(data)["data"]
    assert (found["checked_against"], found["drift_since"]) == ("the schema of version 1", "version 1")
    assert [(each["feature"], each["level"]) for each in found["drift"]] == [("flipper", "alarm")]
    with pytest.raises(StepFailed) as caught:
        project.check(data, "validation.drift=fail")
    lines = str(caught.value).splitlines()
    assert lines[0] == "DataGate: the data drifted since version 1; nothing was trained, nothing was pushed"
    assert lines[1].startswith("  feature 'flipper': alarm: distribution differs by 0.")
    assert project.check(data, "validation.drift=off")["data"]["drift"] == []


def test_a_new_island_in_30_percent_of_the_rows_stops(project, tmp_path):
    data = write_month(tmp_path / "island", 4, new=0.3)
    with pytest.raises(StepFailed) as caught:
        project.check(data)
    assert "feature 'island': ENUM_TYPE_UNEXPECTED_STRING_VALUES (error): " in str(caught.value)
    assert "It was checked against the schema of version 1." in str(caught.value)
    found = project.check(data, "validation.accept={island: [ENUM_TYPE_UNEXPECTED_STRING_VALUES]}")["data"]
    # New observers are warnings alone: nobody reads them.
    assert len(found["anomalies"]) == 4
    assert [(each["feature"], each["level"]) for each in found["drift"]] == [("island", "alarm")]


def test_a_file_without_a_column_stops(project, tmp_path):
    with pytest.raises(StepFailed) as caught:
        project.check(write_month(tmp_path / "cut", 5, without="eggs"))
    assert "splits eval and train, feature 'eggs': SCHEMA_MISSING_COLUMN (error): " in str(caught.value)


def test_a_column_that_nobody_reads_may_go_and_numbers_may_be_whole(project, tmp_path):
    data = write_month(tmp_path / "whole", 7, digits=0, without="observer")
    found = project.check(data)["data"]
    kind = "feature 'observer': SCHEMA_MISSING_COLUMN (warning): Column is completely missing"
    assert found["anomalies"] == [f"splits eval and train, {kind}"]
    assert "observer" not in [each["feature"] for each in found["drift"]]


def test_a_label_that_is_missing_is_not_guessed(project, tmp_path):
    data = write_month(tmp_path / "unlabelled", 6)
    rows = (data / "birds.csv").read_text().splitlines()
    rows[1:40] = [row.rpartition(",")[0] + "," for row in rows[1:40]]
    (data / "birds.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(StepFailed) as caught:
        project.check(data)
    assert "split train, feature 'mass': FEATURE_TYPE_LOW_FRACTION_PRESENT (error): " in str(caught.value)


def test_an_edit_of_a_module_next_to_the_package_reruns_the_transform(project, tmp_path):
    month = project.folder / "month1"
    assert {node["state"] for node in project.run(month, last=("SchemaGen",))["nodes"]} >= {"cached"}
    shapes = project.folder / "monthly_shapes.py"
    before = shapes.read_text()
    shapes.write_text(before + "# edited\n")
    states = {node["id"]: node["state"] for node in project.run(month, last=("Transform",))["nodes"]}
    shapes.write_text(before)
    assert (states["ExampleGen"], states["Transform"]) == ("cached", "done")


def test_a_model_that_was_blessed_and_not_pushed_is_no_baseline(project):
    assert project.first["comparison"] == {"baseline": None, "skipped": None, "unchecked": ("auc over overall",)}
    manifest = json.loads((Path(project.first["version_path"]) / "manifest.json").read_text())
    assert manifest["comparison"]["unchecked"] == ["auc over overall"]
    month = project.folder / "month1"
    blessed = project.run(month, "train.hyperparameters={units: 2}", last=("Evaluator",))
    assert (blessed["blessed"], blessed["version"]) == (True, None)
    third = project.run(month, "train.hyperparameters={units: 4}", last=("Evaluator",))
    assert third["comparison"]["unchecked"] == ()
    assert third["comparison"]["baseline"] == manifest["source"].split()[0]
    assert third["baseline"] == project.first["metrics"]
    (plots,) = (project.folder / "runs" / third["run_id"]).glob("plots.json")
    assert len(plots.read_bytes()) < 100_000


def test_a_month_with_empty_cells_and_a_rare_new_category_is_trained_and_compared(project):
    data = write_month(project.folder / "month2", 2, holes=True, new=0.02)
    second = project.run(data)
    assert (second["blessed"], second["version"]) == (True, 2)
    assert second["baseline"]["auc"] > 0.8
    assert second["comparison"]["skipped"] is None
    assert second["data"]["checked_against"] == "the schema of version 1"
    assert {each.partition(" (")[0] for each in second["data"]["anomalies"]} == {
        f"split {split}, feature 'observer': ENUM_TYPE_UNEXPECTED_STRING_VALUES" for split in ("eval", "train")
    }
    assert second["data"]["filled"] == {"depth": pytest.approx(17, abs=0.5)}
    again = project.run(data)
    states = {node["id"]: node["state"] for node in again["nodes"]}
    assert (states.pop("LastPush"), states.pop("LatestBlessed")) == ("done", "done")
    assert set(states.values()) == {"cached"}
    assert again["version"] == 2
