"""String labels, weights, missing labels and NaN, through the trainer's own code: the values are those of NumPy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from hilir.components.errors import DataRefused, TrainingError
from hilir.components.missing import MISSING_INT
from hilir.components.trainer.data.labels import read_labels
from hilir.components.trainer.launch import launch
from hilir.components.trainer.model_package import load_package
from hilir.components.trainer.run import make_custom_config
from hilir.components.trainer.train import train
from hilir.pipeline.config import load
from tests.integration.training.conftest import PACKAGES, Site, _listening

SORTED = ("Adelie", "Chinstrap", "Gentoo")


@pytest.fixture(scope="module")
def named_data(tmp_path_factory, _packages) -> Path:
    folder = tmp_path_factory.mktemp("named")
    subprocess.run([sys.executable, str(Path(PACKAGES, "make_named.py")), str(folder)], check=True)
    return folder


@pytest.fixture
def named(tmp_path, named_data):
    """Returns the site of one training of the package `named`: one step, with all rows."""
    with _listening() as events:
        yield Site(tmp_path, named_data, events)


def make_job(site: Site, *settings: str, **changes: Any) -> Any:
    shared = ("train.epochs=1", "train.batch_size=500", *settings)
    return site.job(*shared, package="named", **changes)


def labelled(site: Site, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns x, the class and the weight of the rows that have a label."""
    rows = [row for row in json.loads((site.data / "rows.json").read_text())[split] if row["species"]]
    classes = np.array([SORTED.index(row["species"]) for row in rows])
    return np.array([row["x"] for row in rows]), classes, np.array([row["w"] for row in rows])


def labels_of(site: Site, **changes: Any):
    job = make_job(site, **changes)
    return read_labels(job, load_package("named"), tft.TFTransformOutput(job.transform_output))


def step(x: np.ndarray, classes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns kernel and bias after one step of SGD with rate 1 from zeros: Keras divides by the number of rows."""
    error = (1 / 3 - np.eye(3)[classes]) * weights[:, None]
    return -x.T @ error / len(x), -error.sum(axis=0) / len(x)


@pytest.mark.parametrize("balanced", [False, True])
def test_weights_of_rows_and_classes_are_those_of_numpy(named, balanced):
    train(make_job(named, "train.class_weight=balanced" if balanced else "train.class_weight=null"), "one_device")
    x, classes, weights = labelled(named, "train")
    of_class = len(classes) / (3 * np.bincount(classes))
    kernel, bias = step(x, classes, weights * (of_class[classes] if balanced else 1))
    exported = tf.saved_model.load(named.job().model_dir)
    found = {variable.name.rpartition("/")[2]: variable.numpy() for variable in exported.variables_of_model}
    np.testing.assert_allclose(found["kernel:0"], kernel, atol=1e-5)
    np.testing.assert_allclose(found["bias:0"], bias, atol=1e-5)
    x, classes, weights = labelled(named, "eval")
    hit = (x @ kernel + bias).argmax(axis=1) == classes
    (figures,) = named.figures()
    assert figures["val_accuracy"] == pytest.approx(np.average(hit, weights=weights), abs=1e-4)


def test_given_class_weights(named):
    train(make_job(named, "train.class_weight={Adelie: 2.0, Gentoo: 0.25}"), "one_device")
    x, classes, weights = labelled(named, "train")
    kernel, _ = step(x, classes, weights * np.array([2.0, 1.0, 0.25])[classes])
    exported = tf.saved_model.load(named.job().model_dir)
    (found,) = (variable.numpy() for variable in exported.variables_of_model if "kernel" in variable.name)
    np.testing.assert_allclose(found, kernel, atol=1e-5)


def test_weights_hold_on_several_replicas(named):
    # In a process of its own, which has two devices.
    launch(make_job(named, "train.strategy=mirrored", "train.devices=2"), "mirrored", 1)
    kernel, bias = step(*labelled(named, "train"))
    exported = tf.saved_model.load(named.job().model_dir)
    found = {variable.name.rpartition("/")[2]: variable.numpy() for variable in exported.variables_of_model}
    np.testing.assert_allclose(found["kernel:0"], kernel, atol=1e-5)
    x, classes, weights = labelled(named, "eval")
    hit = (x @ kernel + bias).argmax(axis=1) == classes
    (figures,) = named.figures()
    assert figures["val_accuracy"] == pytest.approx(np.average(hit, weights=weights), abs=1e-4)


def test_a_class_that_is_none_is_named(named):
    with pytest.raises(
        DataRefused, match=r"train\.class_weight: 'Emperor' is not a class of 'species'; the classes are"
    ):
        train(make_job(named, "train.class_weight={Emperor: 2.0}"), "one_device")


def test_the_savedmodel_answers_names(named):
    train(make_job(named), "one_device")
    folder = Path(named.job().model_dir)
    assert json.loads((folder / "assets.extra/classes.json").read_text()) == {"species": list(SORTED)}
    signatures = tf.saved_model.load(str(folder)).signatures
    answer = signatures["serving_default"](x=tf.constant([[1.0, 1.0], [-1.0, -1.0]]))
    assert answer["classes"].numpy().tolist() == [[name.encode() for name in SORTED]] * 2
    assert answer["scores"].shape == (2, 3)
    records = list(tf.data.TFRecordDataset(str(named.data / "eval-00000-of-00001.gz"), "GZIP").as_numpy_iterator())
    assert sorted(signatures["classify"](inputs=tf.constant(records))) == ["classes", "scores"]
    assert list(signatures["examples"](examples=tf.constant(records))) == ["scores"]
    rows = json.loads((named.data / "rows.json").read_text())["eval"]
    expected = [SORTED.index(row["species"]) if row["species"] else MISSING_INT for row in rows]
    label = signatures["label"](examples=tf.constant(records))["species"]
    assert label.numpy()[:, 0].tolist() == expected


def test_rows_without_a_label_are_counted_or_refused(named):
    train(make_job(named), "one_device")
    said = [event["rows without a label"] for event in named.events if "rows without a label" in event]
    assert said == ["7 of 120 in 'train', left out", "4 of 60 in 'eval', left out"]
    with pytest.raises(DataRefused, match="the label species: 7 of 120 rows of the split 'train' have none; fill them"):
        train(make_job(named, "train.missing_label=refuse"), "one_device")


def test_the_pushed_classes_come_first_and_none_is_removed(named, tmp_path):
    for version, names in ((1, ["Adelie"]), (2, ["Gentoo", "Emperor"])):
        (tmp_path / f"small/{version}").mkdir(parents=True)
        manifest = json.dumps({"classes": {"species": names}})
        (tmp_path / f"small/{version}/manifest.json").write_text(manifest)
    labels = labels_of(named, pushed=str(tmp_path / "small"))
    assert labels.classes == {"species": ("Gentoo", "Emperor", "Adelie", "Chinstrap")}
    assert labels.added == {"species": ("Adelie", "Chinstrap")}


@pytest.mark.parametrize("of_a_rehearsal", [False, True])
def test_an_object_store_without_a_version_leaves_the_classes_to_the_schema(named, tmp_path, of_a_rehearsal):
    # What `hilir emulate` puts in place of the bucket.
    pushed = str(tmp_path / "bucket/models/small") if of_a_rehearsal else "ram://bucket/models/small"
    with pytest.raises(DataRefused) as raised:
        labels_of(named, pushed=pushed, object_store=True)
    assert str(raised.value).startswith(
        "the label 'species' is a string, and nothing says which number each class has: schema.path gives no domain "
        f"for it, and no version in {pushed} has its classes; write a schema"
    )
    whole = curate(named, tmp_path, "Gentoo", "Chinstrap", "Adelie")
    labels = labels_of(named, pushed=pushed, object_store=True, curated=True, transform_output=whole)
    assert labels.classes == {"species": ("Gentoo", "Chinstrap", "Adelie")}


def test_the_configuration_says_whether_versions_are_in_an_object_store():
    settings = load("configs/digits.yaml").config.train
    for pushed, is_one in (("gs://bucket/models/small", True), ("out/models/small", False)):
        assert make_custom_config("small", settings, "c0de", pushed=pushed)["object_store"] is is_one


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), None])
def test_rows_whose_weight_is_none_are_counted(named, tmp_path, weight):
    path = tmp_path / "train-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number, record in enumerate(tf.data.TFRecordDataset(str(named.data / path.name), "GZIP")):
            example = tf.train.Example.FromString(record.numpy())
            if number in (3, 8):
                del example.features.feature["w"].float_list.value[:]
                example.features.feature["w"].float_list.value.extend([] if weight is None else [weight])
            writer.write(example.SerializeToString())
    with pytest.raises(DataRefused) as raised:
        labels_of(named, train_files=(str(path),))
    assert str(raised.value) == (
        "features.WEIGHT 'w': 2 rows of the split 'train' have no weight, or one that is negative or infinite; "
        "give every row a weight of at least 0"
    )


def curate(site: Site, folder: Path, *names: str) -> str:
    """Returns a copy of the transform graph whose raw schema has a domain for the label."""
    target = folder / "transform"
    shutil.copytree(site.data / "transform", target)
    path = target / "metadata/schema.pbtxt"
    values = "".join(f'value: "{name}" ' for name in names)
    text = path.read_text()
    assert 'name: "species"' in text
    path.write_text(text.replace('name: "species"', f'name: "species" string_domain {{ {values} }}'))
    return str(target)


def test_a_curated_domain_says_which_classes_there_are(named, tmp_path):
    whole = curate(named, tmp_path / "whole", "Gentoo", "Chinstrap", "Adelie", "Emperor")
    labels = labels_of(named, curated=True, transform_output=whole)
    assert labels.classes == {"species": ("Gentoo", "Chinstrap", "Adelie", "Emperor")}
    with pytest.raises(DataRefused) as raised:
        labels_of(named, curated=True, transform_output=curate(named, tmp_path / "part", "Gentoo", "Adelie"))
    rows = [row for split in json.loads((named.data / "rows.json").read_text()).values() for row in split]
    count = sum(row["species"] == "Chinstrap" for row in rows)
    assert str(raised.value) == (
        f"the label 'species' has values that are not among the classes of its domain in the schema: "
        f"'Chinstrap' ({count} rows); fix the data, or add them at the end of the domain in schema.path"
    )


def test_small_splits_and_classes_are_warned_of(named):
    labels = labels_of(named, eval_files=(str(named.data / "train*"),))
    assert labels.warnings() == []
    path = named.root / "few.gz"
    records = list(
        tf.data.TFRecordDataset(str(named.data / "eval-00000-of-00001.gz"), "GZIP").take(3).as_numpy_iterator()
    )
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)
    warnings = labels_of(named, eval_files=(str(path),)).warnings()
    assert warnings[0] == "the split 'eval' has 2 rows with a label, fewer than 30"
    assert warnings[-1].startswith("the split 'eval' has fewer than 5 rows of the class '")


def test_a_loss_that_is_nan_stops_at_that_step(named):
    settings = ("train.hyperparameters.explode=true", "train.batch_size=50")
    with pytest.raises(TrainingError, match=r"loss is not a number \(NaN\) in epoch 1 at step 2; look for features"):
        train(make_job(named, *settings), "one_device")


def test_a_warm_start_takes_over_the_classes_that_it_knows(named, tmp_path):
    (tmp_path / "small/1").mkdir(parents=True)
    manifest = json.dumps({"classes": {"species": ["Gentoo", "Emperor"]}})
    (tmp_path / "small/1/manifest.json").write_text(manifest)
    first = make_job(named)
    train(first, "one_device")
    again = make_job(
        named,
        "train.warm_start=weights",
        # Too small a step to see, so that the weights are those that it began with.
        "train.learning_rate={schedule: constant, initial: 1.0e-12}",
        pushed=str(tmp_path / "small"),
        base_model=first.model_dir,
        model_dir=str(named.root / "second/Trainer/model/2/Format-Serving"),
        run_dir=str(named.root / "second/Trainer/model_run/2"),
    )
    train(again, "one_device")
    assert {"classes of species": "3 known, 1 new"} in named.events
    before, after = (
        next(v.numpy() for v in tf.saved_model.load(job.model_dir).variables_of_model if "kernel" in v.name)
        for job in (first, again)
    )
    now = json.loads(Path(again.model_dir, "assets.extra/classes.json").read_text())["species"]
    assert now == ["Gentoo", "Emperor", "Adelie", "Chinstrap"]
    for number, name in enumerate(SORTED):
        np.testing.assert_allclose(after[:, now.index(name)], before[:, number], atol=1e-6)
    np.testing.assert_allclose(after[:, now.index("Emperor")], 0.0, atol=1e-6)
