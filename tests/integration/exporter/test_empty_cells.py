"""Columns that preprocessing_fn needs in each row: an empty cell is answered as the typical value is, in each way."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.integration.exporter.small_project import make_project, to_example
from tests.integration.serving.server_process import running

pytestmark = pytest.mark.pipeline

ONE = "presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } }"


def tag(value):
    return "annotation { tag: " + json.dumps(f"hilir.typical={json.dumps(value)}") + " }"


SCHEMA = f"""
feature {{ name: "size" type: FLOAT {ONE} {tag(2.5)} }}
feature {{ name: "count" type: INT {ONE} {tag(3)} }}
feature {{ name: "island" type: BYTES {ONE} {tag("Dream")} }}
feature {{ name: "y" type: INT {ONE} }}
"""
ROWS = [
    {"size": at / 4, "count": at % 5, "island": ("Biscoe", "Dream", "Torgersen")[at % 3], "y": at % 2}
    for at in range(60)
]


def preprocess(inputs):
    import tensorflow as tf
    import tensorflow_transform as tft

    island = tft.compute_and_apply_vocabulary(inputs["island"], num_oov_buckets=1)
    numbers = {name: tf.cast(inputs[name], tf.float32) / 10.0 for name in ("size", "count")}
    return numbers | {"island": tf.cast(island, tf.float32), "y": inputs["y"]}


def build():
    import tf_keras as keras

    inputs = {name: keras.Input((1,), name=name) for name in ("size", "count", "island")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    return keras.Model(inputs, {"score": keras.layers.Dense(1, "sigmoid")(keras.layers.Dense(8, "tanh")(joined))})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    found = make_project(tmp_path_factory.mktemp("empty"), SCHEMA, ROWS, preprocess, build, "y")
    (found.model / "manifest.json").write_text("{}")
    return found


def test_an_empty_cell_is_answered_as_the_typical_value(project):
    import tensorflow as tf

    whole = {"size": 1.0, "count": 1, "island": "Biscoe"}
    typical = {"size": 2.5, "count": 3, "island": "Dream"}
    empty = [whole | dict.fromkeys(names) for names in (["size"], ["count"], ["island"], list(whole))]
    filled = [{name: typical[name] if row[name] is None else row[name] for name in row} for row in empty]
    ask = tf.saved_model.load(str(project.model)).signatures["examples"]
    expected = ask(examples=tf.constant([to_example(row) for row in filled]))["score"].numpy()
    assert len(np.unique(expected.round(6))) == 4
    found = ask(examples=tf.constant([to_example(row) for row in empty]))["score"].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with running(model_name="small", model_base_path=str(project.model.parent)) as server:
        answers = server.post("small:predict", {"instances": empty}).json()["predictions"]
    np.testing.assert_allclose(answers, expected, atol=1e-6)


def test_rows_without_an_empty_cell_are_answered_as_before(project):
    import tensorflow as tf

    found = tf.saved_model.load(str(project.model)).signatures["serving_default"](
        **{name: tf.constant(value) for name, value in project.inputs().items()}
    )
    np.testing.assert_allclose(found["score"].numpy(), project.answers()["score"], atol=1e-6)


EMPTY = [
    whole | dict.fromkeys(names)
    for whole in ROWS[:4]
    for names in ([], ["size"], ["count"], ["island"], ["size", "island"])
]


def same(inputs):
    return {"size": inputs["size"], "y": inputs["y"]}


def build_alone():
    import tf_keras as keras

    size = keras.Input((1,), name="size")
    return keras.Model({"size": size}, {"score": keras.layers.Dense(1, "sigmoid")(size)})


def numbers_alone(folder):
    """A project whose network takes its one raw number by itself."""
    schema = f'feature {{ name: "size" type: FLOAT {ONE} {tag(2.5)} }} feature {{ name: "y" type: INT {ONE} }}'
    rows = [{"size": row["size"], "y": row["y"]} for row in ROWS]
    return make_project(folder, schema, rows, same, build_alone, "y")


def with_empty_cells(project, rows):
    return replace(project, records=[to_example(row) for row in rows])


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_a_device_answers_an_empty_cell_as_the_server_does(project, tmp_path, variant):
    from hilir.components.exporter.edge_model import prepare
    from hilir.components.exporter.expected_answers import check_program, network_inputs, raw_inputs
    from hilir.components.exporter.tflite.tflite_convert import convert
    from hilir.components.exporter.tflite.tflite_file import TFLiteModel

    mixed = with_empty_cells(project, EMPTY)
    numbers = with_empty_cells(numbers_alone(tmp_path / "numbers"), [{"size": r["size"], "y": r["y"]} for r in EMPTY])
    for found in (mixed, numbers):
        edge = prepare(str(found.model), str(tmp_path / "edge" / found.root.parent.name))
        if edge.program:
            check_program(edge, found.rows())
        path = edge.raw if variant == "float32" else edge.network
        inputs = (raw_inputs if variant == "float32" else network_inputs)(edge, found.rows())
        model = TFLiteModel(convert(path, variant, network_inputs(edge, found.rows()) if variant == "int8" else None))
        np.testing.assert_allclose(
            model.predict(inputs)["score"], found.answers()["score"], atol=1e-6 if variant == "float32" else 0.05
        )


def test_the_report_of_an_export_has_what_stands_for_an_empty_cell(tmp_path):
    from hilir.components.exporter.export_input import Subject
    from hilir.components.exporter.parity import MetricSpec
    from hilir.components.exporter.settings import Bounds, TFLiteSettings
    from hilir.components.exporter.tflite.tflite_export import export_tflite

    project = numbers_alone(tmp_path)
    found = with_empty_cells(project, [{"size": row["size"], "y": row["y"]} for row in EMPTY])
    subject = Subject("small", str(found.model), found.rows(), MetricSpec("accuracy", "BinaryAccuracy", {}, "higher"))
    bounds = {name: Bounds(difference=0.05, agreement=0.9, metric_loss=0.1) for name in ("float32", "int8")}
    settings = TFLiteSettings(variants=["float32", "int8"], inputs="raw", calibration=50, bounds=bounds)
    report = export_tflite(subject, project.rows(), settings, str(tmp_path))
    assert {name: figures["kept"] for name, figures in report["variants"].items()} == {"float32": True, "int8": True}
    assert {f["signature"]["inputs"]["size"]["missing"] for f in report["variants"].values()} == {2.5}


def test_a_device_gets_numbers_without_a_stand_in(tmp_path):
    from hilir.components.exporter.edge_model import prepare
    from hilir.components.exporter.tflite.tflite_convert import convert
    from hilir.components.exporter.tflite.tflite_file import TFLiteModel

    found = numbers_alone(tmp_path)
    edge = prepare(str(found.model), str(tmp_path / "edge"))
    sizes = {"size": np.array([row["size"] for row in ROWS], np.float32)}
    model = TFLiteModel(convert(edge.network, "int8", sizes))
    np.testing.assert_allclose(model.predict(sizes)["score"], found.answers()["score"], atol=0.05)


def test_the_preflight_converts_what_the_training_will_export(tmp_path):
    import tensorflow_transform as tft

    from hilir.components.preflight.signature_checks import call_signatures
    from hilir.components.trainer.export.extra_files import read_extra
    from hilir.components.trainer.export.raw_features import TYPICAL_FILE
    from hilir.components.trainer.model_package import ModelPackage

    project = numbers_alone(tmp_path)
    package = ModelPackage("small", "y", ("y",), same, build_alone, None)
    transform = tft.TFTransformOutput(str(tmp_path / "transform" / "graph"))
    exported = call_signatures(build_alone(), transform, package, {}, project.rows(), str(tmp_path / "checked"))
    assert read_extra(exported.folder, TYPICAL_FILE) == read_extra(str(project.model), TYPICAL_FILE) == {"size": 2.5}
