"""Golden and warm-up requests of a real SavedModel: what cannot be written as text survives, exactly."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"
ROWS = (
    {"text": ["São Paulo".encode()], "image": [PNG], "number": [math.inf], "tags": [b"a", b"", b"\xfe"]},
    {"text": [], "image": [b""], "number": [-math.inf], "tags": []},
    {"text": ["Zürich".encode()], "image": [b"\x00\x01"], "number": [], "tags": ["Café".encode()]},
)


@pytest.fixture
def version(tmp_path):
    """A SavedModel that returns what it gets."""
    import tensorflow as tf

    from hilir.components.pusher.golden_requests import write_golden

    specs = {
        "text": tf.TensorSpec([None], tf.string, "text"),
        "image": tf.TensorSpec([None], tf.string, "image"),
        "number": tf.TensorSpec([None], tf.float32, "number"),
        "tags": tf.TensorSpec([None, None], tf.string, "tags"),
    }
    same = tf.function(lambda **inputs: {name: tf.identity(value) for name, value in inputs.items()})
    folder = tmp_path / "model" / "1"
    tf.saved_model.save(tf.Module(), str(folder), signatures={"serving_default": same.get_concrete_function(**specs)})
    with tf.io.TFRecordWriter(str(tmp_path / "rows.gz"), "GZIP") as writer:
        for row in ROWS:
            feature = {
                name: tf.train.Feature(float_list=tf.train.FloatList(value=values))
                if name == "number"
                else tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
                for name, values in row.items()
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    write_golden(str(folder), "model", [str(tmp_path / "rows.gz")])
    return folder


def test_bytes_missing_values_and_infinities_are_written_and_read_back(version):
    lines = (version / "assets.extra" / "golden.jsonl").read_text().splitlines()
    first, second, third = (json.loads(line) for line in lines)
    assert first["inputs"]["text"] == ["São Paulo"]
    assert first["inputs"]["image"] == [{"b64": base64.b64encode(PNG).decode()}]
    assert first["inputs"]["tags"] == [["a", "", {"b64": "/g=="}]]
    assert first["inputs"]["number"] == [math.inf]
    assert second["inputs"] == {"text": [""], "image": [""], "number": [-math.inf], "tags": [[""]]}
    assert math.isnan(third["inputs"]["number"][0])
    for line in (first, second, third):
        assert json.dumps(line["outputs"]) == json.dumps(line["inputs"])


def test_the_warm_up_requests_carry_the_bytes_themselves(version):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    path = str(version / "assets.extra" / "tf_serving_warmup_requests")
    records = list(tf.compat.v1.io.tf_record_iterator(path))
    first = prediction_log_pb2.PredictionLog.FromString(records[0]).predict_log.request
    assert list(tf.make_ndarray(first.inputs["image"])) == [PNG]
    np.testing.assert_array_equal(tf.make_ndarray(first.inputs["tags"]), np.array([[b"a", b"", b"\xfe"]], object))


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("Café", {"b64": base64.b64encode("Café".encode()).decode()}, True),
        ({"b64": "/g=="}, "\udcfe", True),
        ({"b64": "/g=="}, {"b64": "/g=="}, True),
        ({"b64": "/g=="}, {"b64": "/w=="}, False),
        (math.nan, math.nan, True),
        (math.inf, -math.inf, False),
    ],
)
def test_a_release_compares_strings_however_they_are_written(expected, found, same):
    from hilir.serving.release.golden_replay import compare_values

    assert (compare_values([expected], [found], "output") is None) is same
