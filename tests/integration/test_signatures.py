"""All ways into a model agree: by name, by serialized example, and as the Evaluator goes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def loaded(taxi_run):
    import tensorflow as tf

    place, result = taxi_run
    (split,) = (place.root / "pipelines" / "taxi" / "ExampleGen" / "examples").glob("*/Split-eval")
    records = list(tf.data.TFRecordDataset(str(next(split.iterdir())), "GZIP").as_numpy_iterator())
    return tf.saved_model.load(result["version_path"]), records, Path(result["version_path"])


def by_name(model, records):
    """Feeds the rows through `serving_default`, as a REST client would."""
    import tensorflow as tf

    from hilir.components.pusher.golden_requests import make_request

    signature = model.signatures["serving_default"]
    specs = signature.structured_input_signature[1]

    class Info:
        def __init__(self, spec):
            self.dtype = spec.dtype.as_datatype_enum
            self.tensor_shape = spec.shape.as_proto()

    infos = type("Signature", (), {"inputs": {name: Info(spec) for name, spec in specs.items()}})
    requests = [make_request(infos, tf.train.Example.FromString(record)) for record in records]
    batch = {name: tf.constant(np.concatenate([request[name] for request in requests])) for name in specs}
    return signature(**batch)["probability"].numpy()


def test_rows_by_name_by_example_and_through_the_transform_agree(loaded):
    import tensorflow as tf

    model, records, _ = loaded
    named = by_name(model, records)
    serialized = tf.constant(records)
    examples = model.signatures["examples"](examples=serialized)["probability"].numpy()
    regress = model.signatures["regress"](inputs=serialized)["outputs"].numpy()
    transformed = model.signatures["transform_features"](examples=serialized)
    assert len(records) > 4000
    np.testing.assert_allclose(named, examples, atol=1e-6)
    np.testing.assert_array_equal(examples, regress)
    label = model.signatures["label"](examples=serialized)["big_tip"]
    np.testing.assert_array_equal(label, transformed["big_tip"])


def test_the_evaluator_saw_the_same_predictions(loaded, taxi_run):
    """The accuracy that TFMA computed on its way is the one that these predictions give."""
    import tensorflow as tf

    _, result = taxi_run
    model, records, _ = loaded
    serialized = tf.constant(records)
    probability = model.signatures["examples"](examples=serialized)["probability"].numpy()
    label = model.signatures["label"](examples=serialized)["big_tip"].numpy()
    assert result["metrics"]["example_count"] == len(records)
    assert np.mean((probability > 0.5) == (label == 1)) == pytest.approx(result["metrics"]["accuracy"], abs=1e-6)


def test_the_label_is_tips_over_a_fifth_of_the_fare(loaded):
    import tensorflow as tf

    model, records, _ = loaded
    label = model.signatures["label"](examples=tf.constant(records))["big_tip"].numpy()[:, 0]
    for record, value in zip(records[:500], label[:500], strict=True):
        features = tf.train.Example.FromString(record).features.feature
        tips, fare = (np.float32(features[name].float_list.value[0]) for name in ("tips", "fare"))
        assert value == (tips > fare * np.float32(0.2))


def test_the_golden_answers_are_the_models(loaded):
    model, _, folder = loaded
    import tensorflow as tf

    signature = model.signatures["serving_default"]
    lines = (folder / "assets.extra" / "golden.jsonl").read_text().splitlines()
    assert len(lines) == 8
    for line in lines:
        golden = json.loads(line)
        inputs = {
            name: tf.constant(value, signature.structured_input_signature[1][name].dtype)
            for name, value in golden["inputs"].items()
        }
        np.testing.assert_allclose(signature(**inputs)["probability"], golden["outputs"]["probability"], atol=1e-6)
