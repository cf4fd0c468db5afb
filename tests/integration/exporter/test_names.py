"""Columns and outputs of any name: exported, and called under that name everywhere."""

from __future__ import annotations

import pytest

from tests.integration.exporter.small_project import make_project

pytestmark = pytest.mark.pipeline

NUMBERS = (
    "Order Total", "order_total", "items.count", "total-price", "2nd_floor", "class", "self", "a:b", "a b", "a_b",
    "Preis (EUR)", "_hidden", "m²", "Total", "total", "名前",
)  # fmt: skip
CATEGORIES = ("image/encoded", "Has Pool")
OUTPUT = "Preis (EUR)"


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
        found[name] = tft.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1, vocab_filename=name.replace("/", "_"))
    found["y/label"] = tf.cast(inputs["y/label"], tf.int64)
    return found


def build():
    import tf_keras as keras

    inputs = {name: keras.Input((1,), name=f"in_{at}") for at, name in enumerate(NUMBERS)}
    inputs |= {name: keras.Input((1,), name=f"cat_{at}", dtype="int64") for at, name in enumerate(CATEGORIES)}
    parts = [keras.layers.Lambda(lambda x: keras.backend.cast(x, "float32"))(value) for value in inputs.values()]
    hidden = keras.layers.Concatenate()(parts)
    outputs = {OUTPUT: keras.layers.Dense(1)(hidden), "m²": keras.layers.Dense(2, activation="softmax")(hidden)}
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    rows = [
        {name: float(at * number % 7) for number, name in enumerate(NUMBERS)}
        | {"image/encoded": "Café" if at % 2 else "Zürich", "Has Pool": "yes" if at % 3 else "no", "y/label": at % 2}
        for at in range(40)
    ]
    return make_project(tmp_path_factory.mktemp("names"), schema(), rows, preprocess, build, "y/label")


def test_it_exports(project):
    from hilir.components.pusher.manifest import describe_signatures

    print(describe_signatures(str(project.model)))
    from hilir.components.trainer.export.names import read_parameters
    print(read_parameters(str(project.model)))
