"""A model without an export: its form, with a list, is answered by the program that serves the page."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.integration.exporter.small_project import make_project

SCHEMA = """
feature { name: "Größe (cm)" type: FLOAT value_count { min: 1 max: 1 } presence { min_count: 1 } }
feature { name: "Tags" type: BYTES value_count { min: 0 } presence { min_count: 1 } }
feature { name: "y" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
"""
TAGS = ("rot", "süß", "hart")
ROWS = [
    {"Größe (cm)": None if at % 9 == 8 else 150.0 + at, "Tags": [TAGS[tag % 3] for tag in range(at % 4)], "y": at % 2}
    for at in range(40)
]


def preprocess(inputs):
    import tensorflow as tf
    import tensorflow_transform as tft

    size = inputs["Größe (cm)"]
    size = tf.sparse.to_dense(tf.SparseTensor(size.indices, size.values, [size.dense_shape[0], 1]), 170.0)
    tags = tft.compute_and_apply_vocabulary(inputs["Tags"], num_oov_buckets=1)
    count = tf.sparse.reduce_sum(tags.with_values(tf.cast(tags.values + 1, tf.float32)), axis=1)
    return {"size": size / 200.0, "tags": tf.reshape(count, [-1, 1]), "y": inputs["y"]}


def build():
    import tf_keras as keras

    inputs = {name: keras.Input((1,), name=name) for name in ("size", "tags")}
    scores = keras.layers.Dense(3, "softmax", name="scores")(keras.layers.Concatenate()(list(inputs.values())))
    return keras.Model(inputs, {"scores": scores})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    from hilir.components.pusher.manifest import describe_files, describe_signatures

    found = make_project(tmp_path_factory.mktemp("served"), SCHEMA, ROWS, preprocess, build, "y")
    manifest = {
        "files": describe_files(str(found.model)),
        "signatures": describe_signatures(str(found.model)),
        "classes": {"y": ["groß", "klein", "mittel"]},
    }
    (found.model / "manifest.json").write_text(json.dumps(manifest))
    return found


@pytest.fixture
def section(visit, serve, project):
    return visit(serve(project.root).url).ready().locator("#model-small")


def ask(project, size, tags):
    import tensorflow as tf

    signature = tf.saved_model.load(str(project.model)).signatures["serving_default"]
    found = signature(Gr__e__cm_=tf.constant([size]), Tags=tf.constant([tags]))
    return found["scores"].numpy()[0]


def read_scores(section):
    return json.loads(section.locator(".answers").get_attribute("data-values"))["scores"]


def test_the_page_says_who_computes_and_shows_the_answer(section, project):
    assert section.locator(".served").is_visible()
    assert section.get_by_label("Tags").get_attribute("placeholder") == "words, separated by commas"
    section.locator("dl.figures").wait_for()
    np.testing.assert_allclose(read_scores(section), project.answers()["scores"][0], atol=1e-6)
    assert section.locator(".bars .name").all_inner_texts() == ["groß", "klein", "mittel"]


def test_what_is_filled_in_is_answered(section, project):
    for size, tags in (("181.5", "rot, süß"), ("", "")):
        section.get_by_label("Größe (cm)").fill(size)
        section.get_by_label("Tags").fill(tags)
        words = [tag.strip() for tag in tags.split(",")]
        expected = ask(project, float(size or "nan"), words)
        section.page.wait_for_function(
            "([selector, expected]) => Math.abs(JSON.parse(document.querySelector(selector).dataset.values)"
            ".scores[0] - expected) < 1e-5",
            arg=["#model-small .answers", float(expected[0])],
        )
        np.testing.assert_allclose(read_scores(section), expected, atol=1e-5)
