"""Tables and packages of all kinds: the preflight is right, or ends in a sentence."""

from __future__ import annotations

import random
from importlib import import_module

import pytest

from tests.unit.components.preflight.place import CONFIG, make_data, read_settings, written

NAMES = (
    "Order Total", "order_total", "items.count", "total-price", "2nd_floor", "class", "self", "a:b", "Preis (EUR)",
    "image/encoded", "_hidden", "m²", "Größe", "x", "X", "inputs", "examples", "name with  spaces", "ключ", "label",
)  # fmt: skip
KINDS = ("float", "int", "text", "bytes", "list of text", "list of numbers")
TASKS = ("binary", "classes", "number", "several outputs")
LOSSES = {
    "binary": ("sigmoid", 1, "binary_crossentropy", "BinaryAccuracy"),
    "classes": ("softmax", 3, "sparse_categorical_crossentropy", "SparseCategoricalAccuracy"),
    "number": ("linear", 1, "mse", "MeanSquaredError"),
    "several outputs": ("sigmoid", 1, "binary_crossentropy", "BinaryAccuracy"),
}
# Each is wrong in one way; None is right.
MISTAKES = (None, None, None, "label", "loss", "metric", "feature", "monitor")

PREPROCESSING = """
import tensorflow as tf

KINDS = {kinds!r}


def preprocessing_fn(inputs):
    outputs = {{name: dense(inputs[name], KINDS[name]) for name in KINDS}}
    outputs["target ü"] = inputs["target ü"]
    return outputs


def dense(value, kind):
    if kind == "list of text":
        numbers = value.with_values(tf.cast(tf.strings.length(value.values), tf.float32))
        return tf.reshape(tf.sparse.reduce_sum(numbers, axis=1), [-1, 1])
    if kind == "list of numbers":
        return tf.reshape(tf.sparse.reduce_sum(value, axis=1), [-1, 1])
    if isinstance(value, tf.SparseTensor):
        missing = "" if value.dtype == tf.string else tf.constant(0, value.dtype)
        value = tf.sparse.to_dense(tf.SparseTensor(value.indices, value.values, [value.dense_shape[0], 1]), missing)
    value = tf.reshape(value, [-1, 1])
    return tf.cast(tf.strings.to_hash_bucket_fast(value, 7) if value.dtype == tf.string else value, tf.float32)
"""
MODEL = """
import tf_keras as keras
from pydantic import BaseModel


class Hyperparameters(BaseModel):
    units: int = 4


def build_model(hparams):
    inputs = {{name: keras.Input((1,), name=f"input_{{index}}") for index, name in enumerate({names!r})}}
    parts = list(inputs.values())
    hidden = keras.layers.Dense(hparams.units)(keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0])
    outputs = {{name: keras.layers.Dense({width}, activation="{activation}")(hidden) for name in {outputs!r}}}
    model = keras.Model(inputs, outputs)
    model.compile(optimizer="adam", loss={{{loss_of!r}: "{loss}"}})
    return model
"""


def make_case(seed: int):
    """Returns a task, a mistake, the kinds of the columns and the rows, all by the seed."""
    chance = random.Random(seed)
    task, mistake = TASKS[seed % len(TASKS)], chance.choice(MISTAKES)
    names = chance.sample(NAMES, chance.randint(1, 6))
    kinds = {name: chance.choice(KINDS) for name in names}
    missing = {name: chance.choice((0.0, 0.0, 0.1, 0.9)) for name in names}
    target = {"binary": (0, 1), "classes": (0, 1, 2), "number": (0.5, -3.0, 1e6), "several outputs": (0, 1)}[task]
    if mistake == "label" and task == "classes":
        target = (1, 2, 3)
    rows = []
    for at in range(60):
        row = {name: make_value(chance, kinds[name], 0.0 if at < 2 else missing[name]) for name in names}
        rows.append(row | {"target ü": target[at % len(target)]})
    return task, mistake, kinds, rows


def make_value(chance: random.Random, kind: str, missing: float):
    if chance.random() < missing:
        return [] if kind.startswith("list") else None
    match kind:
        case "float":
            return chance.choice((chance.gauss(0, 1), 1e30, -0.0))
        case "int":
            return chance.choice((chance.randint(-5, 5), 2**40))
        case "text":
            return chance.choice(("Café", "São Paulo", "Zürich", "a,b", "'\"", "日本"))
        case "bytes":
            return bytes(chance.randrange(256) for _ in range(chance.randint(1, 6))) + b"\xff"
        case "list of text":
            return [chance.choice(("a", "ß", "c")) for _ in range(chance.randint(1, 6))]
        case _:
            return [chance.gauss(0, 1) for _ in range(chance.randint(1, 6))]


def run_case(folder, seed: int) -> str:
    """Runs the preflight of a case; returns what it says."""
    from hilir.components.errors import ComponentError
    from hilir.components.preflight.preflight import check

    task, mistake, kinds, rows = make_case(seed)
    activation, width, loss, metric = LOSSES[task]
    outputs = ("first", "Wahrscheinlichkeit (%)") if task == "several outputs" else ("out put",)
    names = [*kinds, "nowhere"] if mistake == "feature" else [*kinds]
    sources = {
        "features": 'LABEL = "target ü"\nLABEL_COLUMNS = ("target ü",)\n',
        "preprocessing": PREPROCESSING.format(kinds=kinds),
        "model": MODEL.format(
            names=names, width=width, activation=activation, outputs=outputs, loss=loss,
            loss_of="else" if mistake == "loss" else outputs[0],
        ),
    }  # fmt: skip
    config = CONFIG.replace("SparseCategoricalAccuracy", metric)
    settings = []
    if task == "several outputs" and mistake != "metric":
        settings.append(f"evaluate.output={outputs[0]}")
    elif mistake == "metric":
        settings.append("evaluate.output=nowhere")
    if mistake == "monitor":
        settings.append("train.early_stopping={monitor: val_nothing, patience: 1}")
    name = f"any_table_{seed}"
    with written(folder, name, sources):
        data = make_data(folder / "data", rows, import_module(f"{name}.preprocessing").preprocessing_fn)
        try:
            return str(check(read_settings(folder, name, settings, config), data))
        except ComponentError as error:
            return f"{mistake}: {error}"


def check_case(folder, seed: int) -> None:
    task, mistake, kinds, _ = make_case(seed)
    told = run_case(folder, seed)
    # Numbers like 1e30 may overflow a loss, which is a sentence too; a label is out of range for classes only.
    is_right = mistake is None or (mistake == "label" and task != "classes")
    if is_right:
        huge = any(kind in ("float", "int") for kind in kinds.values()) or task == "number"
        assert told.startswith("1 training step, ") or (huge and "finite" in told), told
        return
    sentences = {
        "label": "one training step: ",
        "loss": "with loss for the output 'else', which it does not have",
        "metric": "is not an output of the model",
        "feature": "and preprocessing_fn returns the features ",
        "monitor": "train.early_stopping.monitor is 'val_nothing', which the training does not report",
    }
    assert sentences[mistake] in told or "finite" in told or "the loss of" in told, told
    assert "\n" not in told


@pytest.mark.parametrize("seed", range(8))
def test_a_generated_table_and_package(tmp_path, seed):
    check_case(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8, 200))
def test_many_generated_tables_and_packages(tmp_path, seed):
    check_case(tmp_path, seed)
