"""A fault of each kind ends in a sentence, and at most the preflight's own step is done."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.unit.components.preflight.place import make_data, read_settings, written

FEATURES = 'LABEL = "kind"\nLABEL_COLUMNS = ("kind",)\n'
PREPROCESSING = """
import tensorflow as tf


def preprocessing_fn(inputs):
    weight = inputs["weight"]
    weight = tf.sparse.to_dense(tf.SparseTensor(weight.indices, weight.values, [weight.dense_shape[0], 1]), 0.0)
    city = inputs["city"]
    return {"size": inputs["size"], "weight": weight, "city": bucket(city), "kind": inputs["kind"]}


def bucket(city):
    return tf.strings.to_hash_bucket_fast(city, 5)
"""
MODEL = """
import os

import tensorflow as tf
import tf_keras as keras
from pydantic import BaseModel

METRICS = ["accuracy"]


class Hyperparameters(BaseModel):
    units: int = 4


class Marked(keras.Model):
    def train_step(self, data):
        tf.print("step", output_stream="file://STEPS")
        return super().train_step(data)


def build_model(hparams):
    shape = (1,)
    inputs = {name: keras.Input(shape, name=name) for name in ("size", "weight")}
    inputs["city"] = keras.Input((1,), name="city", dtype="int64")
    city = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(inputs["city"]))
    hidden = keras.layers.Concatenate()([inputs["size"], inputs["weight"], city])
    hidden = keras.layers.Dense(hparams.units, activation="relu")(hidden)
    scores = keras.layers.Dense(3, activation="softmax", name="scores")(hidden)
    model = Marked(inputs, {"scores": scores})
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=METRICS)
    return model
"""


COMPILED = 'loss="sparse_categorical_crossentropy", metrics=METRICS'


@dataclass(frozen=True)
class Fault:
    """What is changed in the model and the preprocessing, settings, labels; and what the sentence says."""

    says: tuple[str, ...] = ()
    model: dict[str, str] = field(default_factory=dict)
    preprocessing: dict[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    labels: tuple[int, ...] = (0, 1, 2)


def last(source: str) -> dict[str, str]:
    """Adds a layer of one function after the scores."""
    return {"    model = Marked": f"    scores = keras.layers.Lambda({source})(scores)\n    model = Marked"}


ONE_SCORE = {'Dense(3, activation="softmax"': 'Dense(1, activation="sigmoid"', COMPILED: 'loss="mse"'}
UNEXPORTABLE = {"(city, 5)": "(tf.strings.regex_replace(city, 'a+', 'b'), 5)"}
LITE = ("export.tflite.variants=[float32]", "export.metric=accuracy")
AUC = "evaluate.metrics=[{name: auc, class: AUC, class_id: 7}]"

FAULTS = {
    "wrong shape": Fault(
        ("one batch through the network: ValueError:", "city int64 [rows, 1], size float32 [rows, 1], weight float32"),
        {"shape = (1,)": "shape = (2,)"},
    ),
    "missing feature": Fault(
        ("has the inputs 'city', 'height', 'size', 'weight', and preprocessing_fn returns the features",),
        {'("size", "weight")}': '("size", "weight", "height")}'},
    ),
    "error while building": Fault(
        ("building the model: KeyError: 'nowhere'", "model.py:22"), {"    shape = (1,)": "    shape = {}['nowhere']"}
    ),
    "own step that takes pairs, with several workers": Fault(
        ("the train_step of the model ", " cannot unpack a batch: with several replicas it has weights"),
        {"    def train_step(self, data):\n": "    def train_step(self, data):\n        x, y = data\n"},
        settings=("train.workers=2",),
    ),
    "not compiled": Fault(("not a compiled tf_keras model",), {"    model.compile(": "    dict("}),
    "missing loss": Fault(
        ("compiles the model without a loss",), {COMPILED: "metrics=METRICS", "= Marked": "= keras.Model"}
    ),
    "missing loss, own step": Fault(("one training step: ValueError: No loss found",), {COMPILED: "metrics=METRICS"}),
    "loss of an unknown output": Fault(
        ("with loss for the output 'score', which it does not have; its outputs are scores",),
        {COMPILED: 'loss={"score": "mse"}'},
    ),
    "metric of an unknown output": Fault(
        ("with metrics for the output 'score', which it does not have; its outputs are scores",),
        {"METRICS)": '{"score": METRICS})'},
    ),
    "label out of range": Fault(
        (
            "one training step: InvalidArgumentError: ",
            "the label 'kind' is int64 [rows, 1], from 1 to 3 in these rows; the classes of a loss are numbered from 0",
        ),
        labels=(1, 2, 3),
    ),
    "label that is no share for a binary loss": Fault(
        (
            "compiles the model with binary_crossentropy, which takes labels from 0 to 1, and the label 'kind' is from "
            "-1 to 1 in these rows; make it 0 and 1 in preprocessing_fn",
        ),
        ONE_SCORE | {COMPILED: "loss=keras.losses.BinaryCrossentropy()"},
        labels=(-1, 1),
    ),
    "softmax of one score": Fault(
        ("the softmax of the one score of the layer 'scores' is 1 for every row; use sigmoid, or a score for each",),
        {"Dense(3,": "Dense(1,", COMPILED: 'loss="mse"'},
    ),
    "logits where the loss takes probabilities": Fault(
        (
            "compiles the model with sparse_categorical_crossentropy, which takes scores from 0 to 1, and the output "
            "'scores' is from -",
            "; end the model in a softmax, or give the loss from_logits=True",
        ),
        last("lambda x: 9 * x - 4"),
    ),
    "one logit where the loss takes a probability": Fault(
        ("with binary_crossentropy, which takes scores from 0 to 1,", "end the model in a sigmoid, or give the loss"),
        {'Dense(3, activation="softmax"': "Dense(1, bias_initializer=keras.initializers.Constant(3)"}
        | {COMPILED: 'loss="binary_crossentropy"'},
        labels=(0, 1),
    ),
    "softmax where the loss takes logits": Fault(
        ("and from_logits=True, and the output 'scores' is the softmax of logits already; leave from_logits out",),
        {COMPILED: "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)"},
    ),
    "softmax of the package's own where the loss takes logits": Fault(
        ("and from_logits=True, and the output 'scores' is the softmax of logits already; leave from_logits out",),
        {'activation="softmax", ': ""}
        | last("tf.nn.softmax")
        | {COMPILED: "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)"},
    ),
    "sigmoid where the loss takes logits": Fault(
        ("and from_logits=True, and the output 'scores' is the sigmoid of logits already; leave from_logits out",),
        ONE_SCORE | {COMPILED: "loss=keras.losses.BinaryCrossentropy(from_logits=True)"},
        labels=(0, 1),
    ),
    "logits where the metric takes probabilities": Fault(
        (
            "'auc' of class AUC does not fit the model's output 'scores' [rows, 1] and the label 'kind': it takes "
            "scores from 0 to 1, and these are logits, from ",
            "; end the model in a sigmoid, and leave from_logits out of its loss",
        ),
        {'Dense(3, activation="softmax"': "Dense(1"}
        | {COMPILED: "loss=keras.losses.BinaryFocalCrossentropy(from_logits=True)"},
        settings=("evaluate.metrics=[{name: auc, class: AUC}]", "evaluate.thresholds=[{metric: auc, min: 0.1}]"),
        labels=(0, 1),
    ),
    "numbers where the metric takes probabilities": Fault(
        ("it takes scores from 0 to 1, and these are from ", "; end the model in a sigmoid"),
        {'Dense(3, activation="softmax"': "Dense(1, bias_initializer=keras.initializers.Constant(3)"}
        | {COMPILED: 'loss="mse"'},
        settings=("evaluate.metrics=[{name: accuracy, class: BinaryAccuracy}]",),
        labels=(0, 1),
    ),
    "label that is not one-hot": Fault(
        (
            "compiles the model with categorical_crossentropy, which takes a label with a number for each class, and "
            "the label 'kind' is the number of a class; use sparse_categorical_crossentropy, or tf.one_hot",
        ),
        {COMPILED: 'loss="categorical_crossentropy", metrics=METRICS'},
    ),
    "missing label": Fault(
        ("features.LABEL is 'kind', which preprocessing_fn does not return; it returns city, size, weight",),
        preprocessing={', "kind": inputs["kind"]': ""},
    ),
    "unknown monitored name": Fault(
        (
            "train.early_stopping.monitor is 'val_auc', which the training does not report; "
            "it reports accuracy, loss, val_accuracy, val_loss",
        ),
        settings=("train.early_stopping={monitor: val_auc, patience: 1}",),
    ),
    "monitored name without a direction": Fault(
        (
            "train.early_stopping.monitor is 'val_caught', and neither its name nor its class says which way it is "
            "better; set train.early_stopping.mode to min or max",
        ),
        {"METRICS)": '[keras.metrics.MeanMetricWrapper(lambda y, p: p[:, 0], name="caught")])'},
        settings=("train.early_stopping={monitor: val_caught, patience: 1}",),
    ),
    "objective without a direction": Fault(
        (
            "train.tune.objective is 'val_caught', and neither its name nor its class says which way it is better; "
            "set train.tune.direction to min or max",
        ),
        {"METRICS)": '[keras.metrics.MeanMetricWrapper(lambda y, p: p[:, 0], name="caught")])'},
        settings=("train.tune.enabled=true", "train.tune.objective=val_caught"),
    ),
    "unknown objective": Fault(
        ("train.tune.objective is 'val_auc', which the training does not report",),
        settings=("train.tune.enabled=true", "train.tune.objective=val_auc"),
    ),
    "wrong hyperparameter": Fault(
        ("train.hyperparameters.units: Input should be a valid integer",),
        settings=("train.hyperparameters={units: many}",),
    ),
    "evaluated metric for other scores": Fault(
        (
            "evaluate.metrics: 'accuracy' of class SparseCategoricalAccuracy does not fit the model's output "
            "'scores' [rows, 1] and the label 'kind': it needs a score for each class; use BinaryAccuracy",
        ),
        ONE_SCORE,
    ),
    "evaluated metric of a class that is not there": Fault(
        ("there is no class 7; the classes are 0 to 2",),
        settings=(AUC, "evaluate.thresholds=[{metric: auc, min: 0.1}]"),
    ),
    "evaluated metric of an unknown output": Fault(
        ("evaluate.output: 'score' is not an output of the model; its outputs are scores",),
        settings=("evaluate.output=score",),
    ),
    "infinite loss": Fault(
        ("the loss of the first training step is nan; the features and the label are finite",),
        last("lambda value: tf.math.log(value - 2.0)"),
    ),
    "missing value that is not filled": Fault(
        (
            "weight has values that are not finite in these rows; look at logarithms and divisions in "
            "preprocessing_fn, and fill missing values there",
        ),
        preprocessing={", 1]), 0.0)": ", 1]), float('nan'))"},
    ),
    "accumulation with a step of its own": Fault(
        ("train.gradient_accumulation is 2, and the model",), settings=("train.gradient_accumulation=2",)
    ),
    "what XLA cannot compile": Fault(
        ("one training step: ",),
        last("lambda value: value * tf.cast(tf.strings.length(tf.strings.as_string(value)) > 0, tf.float32)"),
        settings=("train.jit_compile=true",),
    ),
    "preprocessing that calls Python": Fault(
        ("_fn calls a Python function while it computes (PyFunc at ", "which no server of the model has"),
        preprocessing={
            "tf.strings.to_hash_bucket_fast(city, 5)": "tf.ensure_shape("
            "tf.numpy_function(lambda value: (value == b'x').astype('int64'), [city], tf.int64), [None, 1])"
        },
    ),
    "model that calls Python": Fault(
        (".model calls a Python function while it computes (EagerPyFunc at ", "write it with TensorFlow's operations"),
        last("lambda value: tf.ensure_shape(tf.py_function(lambda v: v, [value], tf.float32), [None, 3])"),
    ),
    "signature that cannot be saved": Fault(
        ("saving the signatures of the model: AssertionError: Tried to export a function which references",),
        last("lambda value, table=tf.Variable([1.0]): value * table"),
    ),
    "network for one number of rows": Fault(("with real rows: ",), last("lambda value: value * tf.ones([32, 1])")),
    "answers that change": Fault(
        ("the model gives two answers for 'scores' to one golden request",),
        last("lambda value: value + tf.random.uniform([])"),
    ),
    "preprocessing that cannot be exported": Fault(
        ("TensorFlow Lite: ", "export.on_failure: skip"), preprocessing=UNEXPORTABLE, settings=LITE
    ),
}


def change(source: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in source
        source = source.replace(old, new)
    return source


def check(tmp_path, fault: Fault, name: str):
    """Runs the preflight of the package with the fault in it; returns its report."""
    from hilir.components.preflight.preflight import check as run_check

    sources = {
        "features": FEATURES,
        "preprocessing": change(PREPROCESSING, fault.preprocessing),
        "model": change(MODEL, fault.model).replace("STEPS", str(tmp_path / "steps")),
    }
    with written(tmp_path, name, sources):
        from importlib import import_module

        rows = [
            {
                "size": float(at) / 8,
                "weight": None if at % 4 == 0 else float(at),
                "city": ("Café", "Zürich")[at % 2],
                "kind": fault.labels[at % len(fault.labels)],
            }
            for at in range(60)
        ]
        data = make_data(tmp_path / "data", rows, import_module(f"{name}.preprocessing").preprocessing_fn)
        return run_check(read_settings(tmp_path, name, fault.settings), data)


def count_steps(tmp_path) -> int:
    path = tmp_path / "steps"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_package_without_a_fault_passes_with_one_step(tmp_path):
    report = check(tmp_path, Fault(), "faultless")
    assert report.signatures == ["classify", "edge", "examples", "label", "serving_default", "transform_features"]
    assert sorted(report.figures) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert str(report) == "1 training step, 6 signatures"
    assert count_steps(tmp_path) == 1


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_told_before_the_training(tmp_path, kind):
    from hilir.components.errors import ComponentError

    fault = FAULTS[kind]
    with pytest.raises(ComponentError) as caught:
        check(tmp_path, fault, f"faulty_{list(FAULTS).index(kind)}")
    for said in fault.says:
        assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert count_steps(tmp_path) <= 1


def test_a_variant_that_cannot_be_converted_is_skipped_if_so_configured(tmp_path):
    fault = FAULTS["preprocessing that cannot be exported"]
    skipping = Fault(preprocessing=fault.preprocessing, settings=(*fault.settings, "export.on_failure=skip"))
    report = check(tmp_path, skipping, "skipping")
    assert report.variants == []
    (reason,) = report.skipped
    assert reason.startswith("TensorFlow Lite: ")
    assert str(report) == "1 training step, 6 signatures, 0 variants, 1 skipped"
