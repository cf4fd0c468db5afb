"""Each kind of column, asked in each way that a model can be asked in."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from hilir.serving.client import GrpcClient, PredictionFailed, RestClient
from hilir.serving.release.golden_replay import replay_golden
from hilir.serving.release.targets.rest import RestCaller
from hilir.serving.releases.release_store import Store
from tests.integration.exporter.small_project import Project, ask_session, make_project, to_example
from tests.integration.serving.server_process import running

pytestmark = pytest.mark.pipeline

ONE = "presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } }"
OPTIONAL = "value_count { min: 1 max: 1 } presence { min_count: 1 }"


@dataclass(frozen=True)
class Kind:
    """A kind of column: its schema, its values in turn, and whether it can leave TensorFlow."""

    schema: str
    values: tuple[Any, ...]
    leaves: bool = True


KINDS = {
    "number": Kind(f"type: FLOAT {OPTIONAL}", (1.5, None, -2.0, 1e30)),
    "whole": Kind(f"type: INT {OPTIONAL}", (3, None, 2**40)),
    "bool": Kind(f"type: INT {OPTIONAL} bool_domain {{}}", (0, 1, None)),
    "category": Kind(f"type: BYTES {OPTIONAL}", ("Café", None, "São Paulo", "Zürich", "Café")),
    "vector": Kind("type: FLOAT presence { min_fraction: 1 } shape { dim { size: 3 } }", ([0.5, 1.0, -1.0], [2.0] * 3)),
    "text": Kind(f"type: BYTES {ONE}", ("two words", "straße", ""), leaves=False),
    "date": Kind(f"type: BYTES {OPTIONAL}", ("2024-02-29", "1999-12-31", None), leaves=False),
    "list": Kind("type: INT", ([], [4], [5, 6, 7]), leaves=False),
    "image": Kind(f"type: BYTES {OPTIONAL}", (b"\x89PNG\xff\x00\x01", b"\xfe\xff", None), leaves=False),
}


def make(folder, names) -> Project:
    schema = "".join(f'feature {{ name: "{name}" {KINDS[name].schema} }}\n' for name in names)
    schema += f'feature {{ name: "y" type: INT {ONE} }}'
    rows = [
        {name: KINDS[name].values[at % len(KINDS[name].values)] for name in names} | {"y": at % 2} for at in range(60)
    ]
    return make_project(folder, schema, rows, lambda inputs: preprocess(inputs, names), lambda: build(names), "y")


def preprocess(inputs, names):
    import tensorflow as tf
    import tensorflow_transform as tft

    def dense(value, missing):
        if isinstance(value, tf.SparseTensor):
            value = tf.SparseTensor(value.indices, value.values, [value.dense_shape[0], 1])
            value = tf.sparse.to_dense(value, tf.cast(missing, value.dtype))
        return tf.reshape(value, [-1, 1])

    def date(value):
        value = dense(value, "")
        value = tf.where(value == "", "2000-01-01", value)
        year, month, day = (tf.strings.to_number(tf.strings.substr(value, *at)) for at in ((0, 4), (5, 2), (8, 2)))
        return (year - 2000.0) * 12.0 + month + day / 31.0

    def vocabulary(value):
        return dense(tft.compute_and_apply_vocabulary(value, num_oov_buckets=1, vocab_filename="words"), 9)

    make_feature = {
        "number": lambda value: dense(value.with_values(tf.math.log1p(tf.abs(value.values))), -1),
        "whole": lambda value: dense(value.with_values(tf.cast(value.values, tf.float32) * 1e-12), -1),
        "bool": lambda value: tf.cast(dense(value, 0), tf.float32),
        "category": lambda value: tf.cast(vocabulary(value), tf.float32),
        "vector": lambda value: value / 2.0,
        "text": lambda value: tf.cast(tf.strings.length(value, unit="UTF8_CHAR"), tf.float32),
        "date": date,
        "list": lambda value: tf.reshape(tf.cast(tf.sparse.reduce_sum(value, axis=1), tf.float32), [-1, 1]),
        "image": lambda value: tf.cast(tf.strings.length(dense(value, "")), tf.float32),
    }  # fmt: skip
    return {name: make_feature[name](inputs[name]) for name in names} | {"y": inputs["y"]}


def build(names):
    import tf_keras as keras

    inputs = {name: keras.Input((3,) if name == "vector" else (1,), name=name) for name in names}
    hidden = keras.layers.Dense(8, activation="tanh")(keras.layers.Concatenate()(list(inputs.values())))
    return keras.Model(inputs, {"score": keras.layers.Dense(1, activation="sigmoid")(hidden)})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """All kinds."""
    found = make(tmp_path_factory.mktemp("kinds"), tuple(KINDS))
    (found.model / "manifest.json").write_text("{}")  # as the Pusher does, from which the server knows its own
    return found


@pytest.fixture(scope="module")
def portable(tmp_path_factory):
    """Those that can leave TensorFlow."""
    return make(tmp_path_factory.mktemp("portable"), tuple(name for name in KINDS if KINDS[name].leaves))


@pytest.fixture(scope="module")
def server(project):
    with running(model_name="small", model_base_path=str(project.model.parent)) as client:
        yield client


def rows_of(name, count=60):
    values = KINDS[name].values
    return [values[at % len(values)] for at in range(count)]


def as_json(value):
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def test_rows_by_name_answer_as_serialized_examples_do(project):
    found = ask_session(project.model, "serving_default", project.inputs())
    np.testing.assert_allclose(found["score"], project.answers()["score"], atol=1e-6)


def test_the_clients_take_the_values_as_they_are(project, server):
    inputs = {name: rows_of(name) for name in KINDS}
    with RestClient(server.base) as client:
        rest = client.predict("small", inputs).outputs["score"]
    with GrpcClient(f"127.0.0.1:{server.port}") as client:
        grpc = client.predict("small", {n: np.array(v, "f") if n == "vector" else v for n, v in inputs.items()})
    np.testing.assert_allclose(rest, project.answers()["score"], atol=1e-6)
    np.testing.assert_allclose(grpc.outputs["score"], project.answers()["score"], atol=1e-6)


def test_rest_takes_a_row_at_a_time(project, server):
    inputs = project.inputs()
    for at, expected in enumerate(project.answers()["score"][:12]):
        row = {
            name: as_json(values[at].tolist() if values.ndim > 1 else values[at : at + 1].tolist()[0])
            for name, values in inputs.items()
        }
        answer = server.post("small:predict", json.dumps({"instances": [row]})).json()
        np.testing.assert_allclose(answer["predictions"][0], expected, atol=1e-6)


def test_rest_takes_null_for_a_missing_value_and_true_for_one(project, server):
    answers = project.answers()["score"]
    inputs = {name: rows_of(name, 2) for name in KINDS} | {"bool": [False, True], "list": [[None], [4]]}
    assert None in inputs["number"]
    columns = {name: as_json(values) for name, values in inputs.items()}
    found = server.post("small:predict", json.dumps({"inputs": columns})).json()["outputs"]
    np.testing.assert_allclose(found, answers[:2], atol=1e-6)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    found = server.post("small:predict", json.dumps({"instances": rows})).json()["predictions"]
    np.testing.assert_allclose(found, answers[:2], atol=1e-6)
    rows[0]["category"] = True
    refused = server.post("small:predict", json.dumps({"instances": rows}))
    assert "is not of expected type: string" in refused.json()["error"]


def test_a_row_without_any_value_is_answered_alike_in_each_way(project, server):
    """Those columns that may be missing; the others have the values of the first row."""
    import tensorflow as tf

    missing = {name for name, kind in KINDS.items() if None in kind.values} | {"list"}
    row = {name: None if name in missing else rows_of(name, 1)[0] for name in KINDS}
    assert missing == {"number", "whole", "bool", "category", "date", "list", "image"}
    body = {"instances": [{name: as_json(value) for name, value in row.items()}]}
    by_name = server.post("small:predict", json.dumps(body)).json()["predictions"][0]
    example = tf.constant([to_example(row)])
    (serialized,) = tf.saved_model.load(str(project.model)).signatures["examples"](examples=example).values()
    np.testing.assert_allclose(by_name, serialized.numpy()[0], atol=1e-6)


def test_the_server_gives_the_golden_answers(project, server):
    assert replay_golden(Store(project.root), "small", 1, [server.base], RestCaller()) == 8


def test_a_bad_date_is_a_sentence(project, server):
    inputs = {name: rows_of(name, 2) for name in KINDS} | {"date": ["2024-02-29", "tomorrow"]}
    with RestClient(server.base) as client, pytest.raises(PredictionFailed) as rest:
        client.predict("small", inputs)
    # Which of the date's parts is reported is up to TensorFlow's threads; an empty one may be that of any text.
    named = r"input 'date' has the value 'tomorrow', which the model cannot read: "
    sentence = rf"({named}StringToNumberOp could not correctly convert string: \w+|StringToNumber.* string:)"
    assert re.search(rf"400 {sentence}$", str(rest.value))
    with GrpcClient(f"127.0.0.1:{server.port}") as client, pytest.raises(PredictionFailed) as grpc:
        client.predict("small", inputs)
    assert re.fullmatch(rf"small: INVALID_ARGUMENT: {sentence}", str(grpc.value))


@pytest.mark.parametrize("name", [name for name in KINDS if not KINDS[name].leaves and name != "image"])
def test_what_cannot_leave_tensorflow_is_refused_by_its_name(name, tmp_path):
    from hilir.components.exporter.edge_model import prepare

    edge = prepare(str(make(tmp_path, (name,)).model), str(tmp_path / "edge"))
    assert edge.program is None
    assert "switch its export off" in edge.refusal or f"'{name}'" in edge.refusal


def test_tensorflow_lite_gives_the_same(portable, tmp_path):
    from hilir.components.exporter.edge_model import prepare
    from hilir.components.exporter.expected_answers import check_program, raw_inputs
    from hilir.components.exporter.tflite.tflite_convert import convert
    from hilir.components.exporter.tflite.tflite_file import TFLiteModel

    edge = prepare(str(portable.model), str(tmp_path))
    assert edge.refusal is None
    check_program(edge, portable.rows())
    found = TFLiteModel(convert(edge.raw, "float32")).predict(raw_inputs(edge, portable.rows()))
    np.testing.assert_allclose(found["score"], portable.answers()["score"], atol=1e-5)


def test_the_loader_of_the_page_gives_the_same(portable, tmp_path):
    from hilir.components.exporter.export_input import Subject
    from hilir.components.exporter.parity import MetricSpec
    from hilir.components.exporter.settings import Bounds, TFJSSettings
    from hilir.components.exporter.tfjs.tfjs_export import export_tfjs

    subject = Subject("small", str(portable.model), portable.rows(), MetricSpec("mse", "MeanSquaredError", {}, "lower"))
    bounds = {"float32": Bounds(difference=1e-5, agreement=1.0, metric_loss=1e-5)}
    report = export_tfjs(subject, TFJSSettings(variants=["float32"], bounds=bounds), str(tmp_path))
    assert report["variants"]["float32"]["kept"], report["variants"]["float32"]["reasons"]
    assert report["inputs"]["number"]["optional"]
    assert not report["inputs"]["vector"]["optional"]
