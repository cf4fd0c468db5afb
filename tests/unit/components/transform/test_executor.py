"""Transform reads and writes in batches: the examples are those of TFX's own Transform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.transform import executor as stock
from tfx.types import standard_artifacts

from hilir.components.transform.executor import Executor

SCHEMA = """
feature { name: "x" type: FLOAT value_count { min: 1 max: 1 } presence { min_fraction: 0 } }
feature { name: "kind" type: BYTES value_count { min: 1 max: 1 } presence { min_fraction: 0 } }
feature { name: "many" type: INT value_count { min: 0 max: 9 } }
feature { name: "unused" type: FLOAT }
"""
MODULE = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    many = tf.sparse.to_dense(inputs["many"])
    return {
        "scaled": tft.scale_to_z_score(tf.reshape(tf.sparse.to_dense(inputs["x"]), [-1, 1])),
        "kind": tft.compute_and_apply_vocabulary(inputs["kind"]),
        "sum": tf.reduce_sum(many, axis=1, keepdims=True),
    }
"""
RNG = np.random.default_rng(2)


def write_examples(folder: Path) -> Any:
    for split, rows in (("train", 90), ("eval", 31)):
        (folder / f"Split-{split}").mkdir(parents=True)
        for number in range(2):
            with tf.io.TFRecordWriter(str(folder / f"Split-{split}" / f"rows-{number}.gz"), "GZIP") as writer:
                for row in range(rows):
                    example = tf.train.Example()
                    features = example.features.feature
                    features["x"].float_list.value.append(RNG.random())
                    features["kind"].bytes_list.value.append(f"k{RNG.integers(0, 5)}".encode())
                    features["many"].int64_list.value.extend(RNG.integers(0, 9, row % 4).tolist())
                    features["unused"].float_list.value.append(row)
                    writer.write(example.SerializeToString())
    return make(standard_artifacts.Examples, folder, split_names='["train", "eval"]')


def make(kind: Any, path: Path, **values: Any) -> Any:
    artifact = kind()
    artifact.uri = str(path)
    for name, value in values.items():
        setattr(artifact, name, value)
    return artifact


def transform(executor: Any, folder: Path, examples: Any, text: str = SCHEMA, **given: Any) -> dict[str, list[bytes]]:
    """Returns the transformed examples of each split, sorted."""
    schema = folder / "schema"
    schema.mkdir(parents=True)
    (schema / "schema.pbtxt").write_text(text)
    (folder / "module.py").write_text(MODULE)
    outputs = {
        "transform_graph": [make(standard_artifacts.TransformGraph, folder / "graph")],
        "transformed_examples": [make(standard_artifacts.Examples, folder / "examples")],
        "updated_analyzer_cache": [],
    }
    properties = {
        "module_file": str(folder / "module.py"),
        "preprocessing_fn": None,
        "stats_options_updater_fn": None,
        "force_tf_compat_v1": 0,
        "custom_config": json.dumps(None),
        "splits_config": None,
        "disable_statistics": 1,
    } | given
    context = executor.Context(
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=unused"],
        tmp_dir=str(folder / "tmp"),
        unique_id="1",
    )
    inputs = {"examples": [examples], "schema": [make(standard_artifacts.Schema, schema)]}
    executor(context).Do(inputs, outputs, properties)
    found = {}
    for split in ("train", "eval"):
        files = sorted((folder / "examples" / f"Split-{split}").iterdir())
        names = [f"transformed_examples-{number:05d}-of-{len(files):05d}.gz" for number in range(len(files))]
        assert [file.name for file in files] == names
        rows = tf.data.TFRecordDataset([str(file) for file in files], "GZIP").as_numpy_iterator()
        found[split] = sorted(canonical(row) for row in rows)
    return found


def canonical(row: bytes) -> str:
    features = tf.train.Example.FromString(row).features.feature
    return str(sorted((name, str(feature)) for name, feature in features.items()))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write_examples(tmp_path_factory.mktemp("examples"))


def test_the_examples_are_those_of_tfx(tmp_path: Path, examples: Any) -> None:
    ours = transform(Executor, tmp_path / "ours", examples)
    assert {split: len(rows) for split, rows in ours.items()} == {"train": 180, "eval": 62}
    assert ours == transform(stock.Executor, tmp_path / "stock", examples)
    assert stock.TransformProcessor.__module__ == stock.__name__


WIDE = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    assert len(inputs) == 204, len(inputs)
    assert [*inputs][4:7] == ["c0", "c1", "c2"] and [*inputs][-1] == "c199"
    mean = tft.mean(tf.sparse.to_dense(inputs["c2"]))
    # Neither of these reaches an output.
    tf.square(inputs["c100"].values), tf.concat([inputs["c5"].values, inputs["c6"].values], axis=0)
    kinds = {name: type(value).__name__ for name, value in inputs.items()}
    assert kinds["c7"] == "SparseTensor" and kinds["unused"] == "SparseTensor" and inputs["c8"].shape.rank == 2
    return {
        "scaled": tft.scale_to_z_score(tf.reshape(tf.sparse.to_dense(inputs["x"]), [-1, 1])) + mean,
        "kind": tft.compute_and_apply_vocabulary(inputs["kind"]),
        "sum": tf.reduce_sum(tf.sparse.to_dense(inputs["many"]), axis=1, keepdims=True),
    }
"""


def test_columns_that_are_not_read_are_left_out_and_change_nothing(tmp_path, examples, monkeypatch):
    (tmp_path / "widely").mkdir()
    for name, source in (("__init__", ""), ("features", "LABEL = 'sum'\n"), ("preprocessing", WIDE)):
        (tmp_path / "widely" / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    column = 'feature {{ name: "c{}" type: FLOAT value_count {{ min: 1 max: 1 }} }}\n'
    wide = SCHEMA + "".join(column.format(number) for number in range(200))
    ours = transform(
        Executor,
        tmp_path / "ours",
        examples,
        wide,
        module_file=None,
        preprocessing_fn="hilir.components.transform.preprocessing.preprocessing_fn",
        custom_config=json.dumps({"package": "widely", "code": "1"}),
    )
    # TFX's own, with a function that is told nothing.
    stocks = transform(
        stock.Executor,
        tmp_path / "stock",
        examples,
        wide,
        module_file=None,
        preprocessing_fn="widely.preprocessing.preprocessing_fn",
    )
    assert ours == stocks
    raw = {side: tft.TFTransformOutput(str(tmp_path / side / "graph")).raw_feature_spec() for side in ("ours", "stock")}
    assert sorted(raw["ours"]) == ["c2", "kind", "many", "x"]
    assert len(raw["stock"]) == 204
