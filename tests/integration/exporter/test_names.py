"""Columns and outputs of any name: exported, and called under that name everywhere."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from hilir.serving.client import GrpcClient
from hilir.serving.release.golden_replay import replay_golden
from hilir.serving.release.targets.rest import RestCaller
from hilir.serving.releases.release_store import Store
from tests.integration.exporter.small_project import ask_session, make_project
from tests.integration.serving.server_process import running

pytestmark = pytest.mark.pipeline

NUMBERS = (
    "Order Total", "order_total", "items.count", "total-price", "2nd_floor", "class", "self", "a:b", "a b", "a_b",
    "Preis (EUR)", "_hidden", "m²", "Total", "total", "名前",
)  # fmt: skip
CATEGORIES = ("image/encoded", "Has Pool")
OUTPUTS = (*NUMBERS, *CATEGORIES)


def schema() -> str:
    return "".join(
        f'feature {{ name: "{name}" type: {kind} presence {{ min_fraction: 1 min_count: 1 }} '
        "shape { dim { size: 1 } } }\n"
        for name, kind in [(n, "FLOAT") for n in NUMBERS] + [(n, "BYTES") for n in CATEGORIES] + [("y/label", "INT")]
    )


def preprocess(inputs):
    import tensorflow as tf
    import tensorflow_transform as tft

    found = {name: tft.scale_to_z_score(inputs[name]) for name in NUMBERS}
    for name in CATEGORIES:
        found[name] = tft.compute_and_apply_vocabulary(
            inputs[name], num_oov_buckets=1, vocab_filename=name.replace("/", "_")
        )
    found["y/label"] = tf.cast(inputs["y/label"], tf.int64)
    return found


def build():
    import tf_keras as keras

    inputs = {name: keras.Input((1,), name=name) for name in NUMBERS}
    inputs |= {name: keras.Input((1,), name=name, dtype="int64") for name in CATEGORIES}
    parts = [keras.layers.Lambda(lambda x: keras.backend.cast(x, "float32"))(value) for value in inputs.values()]
    hidden = keras.layers.Concatenate()(parts)
    outputs = {name: keras.layers.Dense(2 if name == "m²" else 1)(hidden) for name in OUTPUTS}
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    rows = [
        {name: float(at * number % 7) for number, name in enumerate(NUMBERS)}
        | {"image/encoded": "Café" if at % 2 else "Zürich", "Has Pool": "yes" if at % 3 else "no", "y/label": at % 2}
        for at in range(40)
    ]
    return make_project(tmp_path_factory.mktemp("names"), schema(), rows, preprocess, build, "y/label")


@pytest.fixture(scope="module")
def server(project):
    with running(model_name="small", model_base_path=str(project.model.parent)) as client:
        yield client


def assert_same(found, expected, tolerance=1e-6):
    assert set(found) == set(expected) == set(OUTPUTS)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=tolerance, err_msg=name)


def test_a_session_takes_and_gives_the_names_of_the_data(project):
    inputs = project.inputs()
    assert set(inputs) == {*NUMBERS, *CATEGORIES}
    assert_same(ask_session(project.model, "serving_default", inputs), project.answers())


def test_the_fingerprint_is_that_of_the_renamed_model(project, tmp_path):
    import tensorflow as tf
    from tensorflow.python.saved_model.fingerprinting_utils import write_fingerprint

    copy = tmp_path / "copy"
    shutil.copytree(project.model, copy)
    (copy / "fingerprint.pb").unlink()
    write_fingerprint(str(copy))
    mine, anew = (tf.saved_model.experimental.read_fingerprint(str(path)) for path in (project.model, copy))
    assert mine.saved_model_checksum == anew.saved_model_checksum
    assert mine.signature_def_hash == anew.signature_def_hash


def test_the_map_tells_the_parameters_of_the_loaded_functions(project):
    import tensorflow as tf

    from hilir.components.pusher.manifest import describe_parameters

    parameters = describe_parameters(str(project.model))
    assert parameters["serving_default"]["Order Total"] == "Order_Total_2"
    assert parameters["serving_default"]["Preis (EUR)"] == "Preis__EUR_"
    assert "order_total" not in parameters["serving_default"]
    assert "examples" not in parameters
    function = tf.saved_model.load(str(project.model)).signatures["serving_default"]
    called = {parameters["serving_default"].get(n, n): tf.constant(v) for n, v in project.inputs().items()}
    assert_same(function(**called), project.answers())


def test_the_server_knows_the_names_over_rest_and_grpc(project, server):
    answers = project.answers()
    columns = {name: values.tolist() for name, values in project.inputs().items()}
    columns |= {name: [value.decode() for value in columns[name]] for name in CATEGORIES}
    found = server.post("small:predict", {"inputs": columns}).json()["outputs"]
    assert_same(found, answers, 1e-5)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    predictions = server.post("small:predict", {"instances": rows}).json()["predictions"]
    assert_same({name: [row[name] for row in predictions] for name in predictions[0]}, answers, 1e-5)
    with GrpcClient(f"127.0.0.1:{server.port}") as client:
        assert_same(client.predict("small", project.inputs()).outputs, answers)
    metadata = server.get("/v1/models/small/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert set(metadata["serving_default"]["inputs"]) == {*NUMBERS, *CATEGORIES}


def test_the_server_gives_the_golden_answers(project, server):
    assert replay_golden(Store(project.root), "small", 1, [server.base], RestCaller()) == 8


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_tensorflow_lite_takes_and_gives_them(project, tmp_path):
    import tensorflow as tf

    from hilir.components.exporter.edge_model import prepare
    from hilir.components.exporter.expected_answers import check_program, network_inputs, raw_inputs
    from hilir.components.exporter.tflite.tflite_convert import convert
    from hilir.components.exporter.tflite.tflite_file import TFLiteModel

    edge = prepare(str(project.model), str(tmp_path))
    assert edge.refusal is None
    check_program(edge, project.rows())
    for path, inputs in (
        (edge.raw, raw_inputs(edge, project.rows())),
        (edge.network, network_inputs(edge, project.rows())),
    ):
        content = convert(path, "float32")
        runner = tf.lite.Interpreter(model_content=content).get_signature_runner("edge")
        assert set(runner.get_input_details()) == {*NUMBERS, *CATEGORIES}
        assert set(runner.get_output_details()) == set(OUTPUTS)
        model = TFLiteModel(content)
        assert set(model.signature()["inputs"]) == {*NUMBERS, *CATEGORIES}
        assert_same(model.predict(inputs), project.answers(), 1e-5)


def test_tensorflow_js_takes_and_gives_them(project, tmp_path):
    from hilir.components.exporter.export_input import Subject
    from hilir.components.exporter.parity import MetricSpec
    from hilir.components.exporter.settings import Bounds, TFJSSettings
    from hilir.components.exporter.tfjs.tfjs_export import export_tfjs

    metric = MetricSpec("mse", "MeanSquaredError", {}, "lower")
    bounds = Bounds(difference=1e-5, agreement=1.0, metric_loss=1e-5)
    settings = TFJSSettings(variants=["float32"], bounds={"float32": bounds})
    subject = Subject("small", str(project.model), project.rows(), metric)
    report = export_tfjs(subject, settings, str(tmp_path))
    assert report["variants"]["float32"]["kept"], report["variants"]["float32"]["reasons"]
    assert set(report["inputs"]) == {*NUMBERS, *CATEGORIES}
    assert set(report["outputs"]) == set(OUTPUTS)
    signature = json.loads((tmp_path / "float32" / "model.json").read_text())["signature"]
    assert set(signature["inputs"]) == {*NUMBERS, *CATEGORIES}
    assert set(signature["outputs"]) == set(OUTPUTS)
