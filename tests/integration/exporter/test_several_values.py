"""Rows with none, one and many values of a feature: all ways into a model give the same answer."""

from __future__ import annotations

import numpy as np
import pytest

from hilir.serving.client import GrpcClient, PredictionFailed, RestClient
from hilir.serving.release.golden_replay import replay_golden
from hilir.serving.release.targets.rest import RestCaller
from hilir.serving.releases.release_store import Store
from tests.integration.exporter.small_project import ask_session, make_project
from tests.integration.serving.server_process import running

pytestmark = pytest.mark.pipeline

SCHEMA = """
feature { name: "tags" type: BYTES }
feature { name: "visits" type: INT value_count { min: 1 } presence { min_count: 1 } }
feature { name: "weights" type: FLOAT value_count { min: 1 max: 6 } }
feature { name: "steps" type: INT }
feature { name: "price" type: FLOAT value_count { min: 1 max: 1 } }
feature { name: "grid" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 2 } dim { size: 3 } } }
feature { name: "y" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
tensor_representation_group {
  key: ""
  value {
    tensor_representation {
      key: "steps"
      value { ragged_tensor { feature_path { step: "steps" } row_partition_dtype: INT64 } }
    }
  }
}
"""
WORDS = ("Café", "São Paulo", "Zürich", "b", "")
SEVERAL = {"tags", "visits", "weights", "steps"}


def preprocess(inputs):
    import tensorflow as tf
    import tensorflow_transform as tft

    price = tf.sparse.to_dense(
        tf.SparseTensor(inputs["price"].indices, inputs["price"].values, [inputs["price"].dense_shape[0], 1]), -1.0
    )
    return {
        "tag_ids": tft.compute_and_apply_vocabulary(inputs["tags"], num_oov_buckets=1),
        "visits": inputs["visits"],
        "weight": tf.reshape(tf.sparse.reduce_sum(inputs["weights"], axis=1), [-1, 1]),
        "steps": inputs["steps"],
        "price": tf.reshape(price, [-1, 1]),
        "grid": inputs["grid"] / 3.0,
        "y": inputs["y"],
    }


def build():
    import tensorflow as tf
    import tf_keras as keras

    inputs = {
        "tag_ids": keras.Input((None,), name="tag_ids", dtype="int64", sparse=True),
        "visits": keras.Input((None,), name="visits", dtype="int64", sparse=True),
        "steps": keras.Input((None,), name="steps", dtype="int64", ragged=True),
        "weight": keras.Input((1,), name="weight"),
        "price": keras.Input((1,), name="price"),
        "grid": keras.Input((2, 3), name="grid"),
    }

    def bag(value):
        return tf.reduce_sum(
            tf.sparse.to_dense(
                tf.SparseTensor(value.indices, tf.cast(value.values + 1, tf.float32), value.dense_shape)
            ),
            axis=1,
            keepdims=True,
        )

    parts = [
        keras.layers.Lambda(bag)(inputs["tag_ids"]),
        keras.layers.Lambda(bag)(inputs["visits"]),
        keras.layers.Lambda(lambda value: tf.reshape(tf.cast(tf.reduce_sum(value, axis=1), tf.float32), [-1, 1]))(
            inputs["steps"]
        ),
        inputs["weight"],
        inputs["price"],
        keras.layers.Flatten()(inputs["grid"]),
    ]
    hidden = keras.layers.Lambda(tf.math.asinh)(keras.layers.Concatenate()(parts))
    return keras.Model(inputs, {"score": keras.layers.Dense(1, activation="sigmoid")(hidden)})


def make_rows(count):
    random = np.random.default_rng(4)

    def several(values):
        return [values[at] for at in random.integers(0, len(values), random.integers(0, 7))]

    rows = []
    for at in range(count):
        tags = several(WORDS)
        while tags and tags[-1] == "":  # an empty string at the end is padding
            tags.pop()
        rows.append(
            {
                "tags": tags,
                "visits": several((0, -4, 9, 2**40)),
                "weights": several((0.5, -2.25, 8.0))[:6],
                "steps": several((1, 2, 3)),
                "price": [] if at % 5 == 0 else float(at),
                "grid": [float(value) for value in random.normal(size=6)],
                "y": at % 2,
            }
        )
    return rows


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("several"), SCHEMA, make_rows(200), preprocess, build, "y")


@pytest.fixture(scope="module")
def server(project):
    with running(model_name="small", model_base_path=str(project.model.parent)) as client:
        yield client


def test_the_rows_have_none_one_and_many(project):
    for name in SEVERAL:
        lengths = {len(row[name]) for row in make_rows(200)}
        assert {0, 1, 5} <= lengths
    assert {name for name, values in project.inputs().items() if values.ndim == 2} == SEVERAL


def test_rows_by_name_answer_as_serialized_examples_do(project):
    answers = project.answers()["score"]
    assert len(np.unique(answers)) > 150
    found = ask_session(project.model, "serving_default", project.inputs())["score"]
    np.testing.assert_allclose(found, answers, atol=1e-6)
    (regress,) = ask_session(project.model, "regress", {"inputs": project.records}).values()
    np.testing.assert_allclose(regress, answers, atol=1e-6)


def test_padding_changes_no_answer(project):
    from hilir.components.missing import MISSING_VALUES

    wider = {
        name: np.concatenate(
            [
                values,
                np.full(
                    [200, 3], MISSING_VALUES[str(values.dtype) if values.dtype != object else "string"], values.dtype
                ),
            ],
            axis=1,
        )
        if name in SEVERAL
        else values
        for name, values in project.inputs().items()
    }
    found = ask_session(project.model, "serving_default", wider)["score"]
    np.testing.assert_allclose(found, project.answers()["score"], atol=1e-6)
    one = {name: values[:1] for name, values in project.inputs().items()}
    none = one | {name: one[name][:, :0] for name in SEVERAL}
    alike = one | {name: wider[name][:1, -1:] for name in SEVERAL}
    np.testing.assert_array_equal(
        ask_session(project.model, "serving_default", none)["score"],
        ask_session(project.model, "serving_default", alike)["score"],
    )


def test_the_clients_pad(project, server):
    rows = make_rows(200)
    inputs = {name: [row[name] for row in rows] for name in SEVERAL}
    inputs["price"] = [row["price"] or None for row in rows]
    inputs["grid"] = [np.reshape(row["grid"], [2, 3]).tolist() for row in rows]
    answers = project.answers()["score"]
    with RestClient(server.base) as client:
        np.testing.assert_allclose(client.predict("small", inputs).outputs["score"], answers, atol=1e-6)
    with GrpcClient(f"127.0.0.1:{server.port}") as client:
        np.testing.assert_allclose(client.predict("small", inputs).outputs["score"], answers, atol=1e-6)


def test_the_server_gives_the_golden_answers(project, server):
    assert replay_golden(Store(project.root), "small", 1, [server.base], RestCaller()) == 8


def test_a_scalar_a_row_is_refused_with_a_sentence(project, server):
    inputs = {name: values[:2] for name, values in project.inputs().items()} | {"visits": np.array([3, 4])}
    with RestClient(server.base) as client, pytest.raises(PredictionFailed) as rest:
        client.predict("small", inputs)
    with GrpcClient(f"127.0.0.1:{server.port}") as client, pytest.raises(PredictionFailed) as grpc:
        client.predict("small", inputs)
    sentence = (
        "input 'visits' has the shape [2] where the model takes [-1, -1] (-1: any); "
        "send a list of values for each row, padded where rows have fewer"
    )
    assert str(rest.value).endswith(f"400 {sentence}")
    assert str(grpc.value) == f"small: INVALID_ARGUMENT: {sentence}"


def test_the_transform_signature_pads_sparse_and_ragged_features(project):
    found = ask_session(project.model, "transform_features", {"examples": project.records})
    rows = make_rows(200)
    for name in ("visits", "steps"):
        for values, row in zip(found[name].tolist(), rows, strict=True):
            assert values == row[name] + [-(2**63)] * (len(values) - len(row[name]))


def test_the_page_and_devices_are_told_why_not(project, tmp_path):
    from hilir.components.exporter.edge_model import prepare

    edge = prepare(str(project.model), str(tmp_path))
    assert edge.raw is None
    assert edge.program is None
    assert "only features of a fixed shape, or with at most one value, can leave TensorFlow" in edge.refusal
