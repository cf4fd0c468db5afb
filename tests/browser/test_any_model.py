"""Anybody's model: classes, a date, a list, a category, names with spaces; its form is made from its export."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.integration.exporter.small_project import make_project

ONE = "value_count { min: 1 max: 1 } presence { min_count: 1 }"
SCHEMA = f"""
feature {{ name: "Bill length (mm)" type: FLOAT {ONE} }}
feature {{ name: "island" type: BYTES {ONE} }}
feature {{ name: "seen" type: BYTES {ONE} }}
feature {{ name: "spectrum" type: FLOAT presence {{ min_fraction: 1 }} shape {{ dim {{ size: 3 }} }} }}
feature {{ name: "species" type: INT presence {{ min_fraction: 1 }} shape {{ dim {{ size: 1 }} }} }}
"""
CLASSES = ("Adelie", "Chinstrap", "Gentoo")
ROWS = [
    {
        "Bill length (mm)": float(np.float32(30.1 + at / 4)),
        "island": ("Biscoe", "Dream", "Torgersen")[at % 3],
        "seen": f"2007-11-{at % 9 + 10}",
        "spectrum": [0.5, 0.25, at / 80],
        "species": at % 3,
    }
    for at in range(80)
]


def preprocess(inputs):
    import tensorflow as tf
    import tensorflow_transform as tft

    def dense(value, missing):
        sparse = tf.SparseTensor(value.indices, value.values, [value.dense_shape[0], 1])
        return tf.reshape(tf.sparse.to_dense(sparse, missing), [-1, 1])

    def word(name):
        return tf.cast(tft.compute_and_apply_vocabulary(dense(inputs[name], ""), num_oov_buckets=1), tf.float32)

    bill = dense(inputs["Bill length (mm)"], 40.0) / 50.0
    words = {"island": word("island"), "seen": word("seen")}
    return {"bill": bill, **words, "spectrum": inputs["spectrum"], "species": inputs["species"]}


def build():
    import tf_keras as keras

    inputs = {
        name: keras.Input((3 if name == "spectrum" else 1,), name=name)
        for name in ("bill", "island", "seen", "spectrum")
    }
    hidden = keras.layers.Dense(8, activation="tanh")(keras.layers.Concatenate()(list(inputs.values())))
    outputs = {"age": keras.layers.Dense(1)(hidden), "probabilities": keras.layers.Dense(3, "softmax")(hidden)}
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    from hilir.analysis.reference import Reference, summarize_categories, summarize_numbers, to_json
    from hilir.components.exporter.export_input import Subject
    from hilir.components.exporter.parity import MetricSpec
    from hilir.components.exporter.settings import TFJSSettings
    from hilir.components.exporter.tfjs.tfjs_export import export_tfjs

    found = make_project(tmp_path_factory.mktemp("any"), SCHEMA, ROWS, preprocess, build, "species")
    folder = found.model.parent / "exports" / "1" / "tfjs"
    folder.mkdir(parents=True)
    metric = MetricSpec("accuracy", "SparseCategoricalAccuracy", {}, output="probabilities")
    bounds = {"float32": {"difference": 1e-4, "agreement": 1.0, "metric_loss": 0.0}}
    settings = TFJSSettings.model_validate({"variants": ["float32"], "bounds": bounds})
    export_tfjs(Subject("small", str(found.model), found.rows(), metric, CLASSES), settings, str(folder))
    values = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    reference = Reference(
        {"Bill length (mm)": summarize_numbers(values["Bill length (mm)"])}
        | {name: summarize_categories(values[name], 80, 0) for name in ("island", "seen")}
    )
    (found.model / "assets.extra" / "reference.json").write_text(to_json(reference))
    return found


@pytest.fixture
def section(visit, serve, project):
    return visit(serve(project.root).url).ready().locator("#model-small")


def test_the_form_has_a_field_for_each_kind_of_feature(section):
    bill = section.get_by_label("Bill length (mm)")
    assert bill.get_attribute("type") == "number"
    assert bill.input_value() == "30.1"  # and not 30.100000381469727
    assert section.get_by_text("30.1 to 49.85").is_visible()
    assert section.get_by_label("seen").get_attribute("type") == "date"
    choices = section.get_by_label("island").locator("option").all_inner_texts()
    assert choices == ["not known", "Biscoe", "Dream", "Torgersen", "another value"]
    assert section.get_by_label("spectrum *").input_value() == "0.5, 0.25, 0"


def test_the_answer_is_the_models_with_the_names_of_the_classes(section, project):
    answers = project.answers()
    shown = json.loads(section.locator(".answers").get_attribute("data-values"))
    np.testing.assert_allclose(shown["probabilities"], answers["probabilities"][0], atol=1e-5)
    np.testing.assert_allclose(shown["age"], answers["age"][0, 0], atol=1e-5)
    age, species = (
        section.locator(f".answers > div:has(> p:text-is('{name}')) .answer").inner_text()
        for name in ("age", "probabilities")
    )
    assert float(age) == pytest.approx(answers["age"][0, 0], rel=1e-3)
    assert species == CLASSES[int(answers["probabilities"][0].argmax())]
    assert section.locator(".bars .name").all_inner_texts() == list(CLASSES)


def test_what_does_not_fit_is_marked_and_not_answered(section):
    section.get_by_label("spectrum *").fill("0.5, 0.25")
    section.locator(".incomplete").wait_for()
    assert section.get_by_label("spectrum *").get_attribute("aria-invalid") == "true"
    assert section.locator(".answer").all_inner_texts() == ["–", "–"]
    section.get_by_label("spectrum *").fill("0.5, 0.25, 1")
    section.locator(".incomplete").wait_for(state="hidden")


def test_it_fits_on_a_phone_in_the_dark(visit, serve, project):
    page = visit(serve(project.root).url, viewport={"width": 390, "height": 844}, color_scheme="dark").ready()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
