"""What the browser computes is what Python computes, on every evaluation row."""

from __future__ import annotations

import math

import numpy as np
import pytest

PREDICT = """async ({model, variant, examples}) => {
    const runtime = await import(new URL('runtime.js', document.baseURI).href);
    const listed = (await runtime.listModels()).find((found) => found.model === model);
    const loaded = (await runtime.loadModel(globalThis.tf, listed, variant)).model;
    const predictions = await loaded.predictAll(examples);
    const transformed = loaded.preprocessor && examples.map((example) => loaded.preprocessor.transform(example));
    return {predictions, transformed};
}"""

FILL = """async (examples) => {
    const section = document.getElementById('model-taxi');
    const answers = section.querySelector('.answers');
    const found = [];
    for (const example of examples) {
        const shown = section.dataset.shown;
        for (const [name, value] of Object.entries(example)) {
            const input = section.querySelector(`[name="${name}"]`);
            if (!input) continue;
            const text = value === null ? '' : String(value);
            if (input.tagName === 'SELECT' && ![...input.options].some((option) => option.value === text)) {
                input.value = 'another value';
            } else {
                input.value = text;
            }
        }
        section.querySelector('form').dispatchEvent(new Event('input'));
        while (section.dataset.shown === shown) await new Promise((done) => setTimeout(done, 1));
        found.push(JSON.parse(answers.dataset.values).probability);
    }
    return found;
}"""


def predict(page, rows, model, variant="float32"):
    return page.evaluate(PREDICT, {"model": model, "variant": variant, "examples": rows[model]["examples"]})


@pytest.mark.parametrize("backend", ["wasm", "cpu", "webgl"])
def test_all_digits(visit, rows, backend):
    found = visit()
    page = found.ready()
    found.choose(backend)
    predictions = predict(page, rows, "digits")["predictions"]
    mine = np.array([row["probabilities"] for row in predictions])
    np.testing.assert_allclose(mine, rows["digits"]["outputs"]["probabilities"], atol=1e-4)


def test_all_trips_and_all_that_the_network_gets(visit, rows):
    found = visit().ready()
    result = predict(found, rows, "taxi")
    mine = np.array([row["probability"] for row in result["predictions"]])
    np.testing.assert_allclose(mine, rows["taxi"]["outputs"]["probability"][:, 0], atol=1e-4)
    names = result["transformed"][0]
    assert len(names) == 14
    for name in names:
        transformed = np.array([row[name] for row in result["transformed"]])
        expected = rows["taxi"]["transformed"][name]
        if expected.dtype.kind == "i":
            np.testing.assert_array_equal(transformed, expected, err_msg=name)
        else:
            np.testing.assert_allclose(transformed, expected, rtol=1e-6, atol=1e-6, err_msg=name)
    examples = rows["taxi"]["examples"]
    assert any(row["company"] is None for row in examples)
    assert any(row["dropoff_latitude"] is None for row in examples)


def test_the_form_says_what_the_server_would_say(visit, rows):
    page = visit().ready()
    examples = rows["taxi"]["examples"][:200]
    mine = page.evaluate(FILL, examples)
    np.testing.assert_allclose(mine, rows["taxi"]["outputs"]["probability"][:200, 0], atol=1e-4)


def test_words_that_the_model_never_saw_are_fine_in_the_form(visit, rows, taxi_run):
    import tensorflow as tf

    page = visit().ready()
    example = rows["taxi"]["examples"][0] | {"company": "Ünknown Cab – 出租车", "payment_type": "Barter"}
    (mine,) = page.evaluate(FILL, [example])
    signature = tf.saved_model.load(taxi_run[1]["version_path"]).signatures["serving_default"]
    specs = signature.structured_input_signature[1]
    missing = {tf.string: "", tf.int64: -(2**63), tf.float32: math.nan}
    inputs = {
        name: tf.constant([missing[spec.dtype] if example[name] is None else example[name]], spec.dtype)
        for name, spec in specs.items()
    }
    assert mine == pytest.approx(float(signature(**inputs)["probability"][0, 0]), abs=1e-4)


def test_a_field_that_must_be_filled_is_marked(visit):
    page = visit().ready()
    section = page.locator("#model-taxi")
    page.get_by_label("fare *").fill("")
    section.locator(".incomplete:has-text('Fill in the fields marked *')").wait_for()
    assert page.get_by_label("fare *").get_attribute("aria-invalid") == "true"
    assert section.locator(".answer").inner_text() == "–"
    page.get_by_label("fare *").fill("12.5")
    section.locator(".incomplete").wait_for(state="hidden")
    assert section.locator(".answer").inner_text().endswith(" %")
