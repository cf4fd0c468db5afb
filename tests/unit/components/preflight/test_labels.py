"""Labels of all kinds reach the preflight as they reach the training."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.unit.components.preflight.place import CONFIG, make_data, read_settings, written

PREPROCESSING = """
def preprocessing_fn(inputs):
    return dict(inputs)
"""
MODEL = """
import tf_keras as keras
from pydantic import BaseModel


class Hyperparameters(BaseModel):
    units: int = 4


def build_model(hparams, data):
    classes = data.classes if isinstance(data.classes, dict) else {"kind": data.classes}
    size = keras.Input((1,), name="size")
    hidden = keras.layers.Dense(hparams.units)(size)
    outputs = {
        name: keras.layers.Dense(len(names), activation="softmax", name=name)(hidden)
        for name, names in classes.items()
    }
    for name in MORE:
        outputs[name] = keras.layers.Dense(1, name=name)(hidden)
    model = keras.Model({"size": size}, outputs)
    model.compile("adam", loss=dict.fromkeys(classes, "sparse_categorical_crossentropy") | LOSSES)
    return model
"""
# The last class is in one row, behind those of the sample.
KINDS = [("fir", "oak")[at % 2] for at in range(99)] + ["yew"]
ROWS = [{"size": at / 8, "kind": kind, "price": at / 2, "share": 1.0 + at % 3} for at, kind in enumerate(KINDS)]
ACCURACY = CONFIG.replace("name: accuracy,", "name: accuracy, output: kind,")


def check(
    folder,
    features: str,
    more=(),
    config: str = CONFIG,
    settings=(),
    rows=ROWS,
    preprocessing: str = PREPROCESSING,
    model: str = MODEL,
):
    """Runs the preflight of a package with these labels; returns its report."""
    from hilir.components.preflight.preflight import check as run_check

    losses = {name: "mse" for name in more if name == "price"}
    model = model.replace("MORE", repr(more)).replace("LOSSES", repr(losses))
    sources = {"features": features, "preprocessing": preprocessing, "model": model}
    name = f"labels_{folder.name}"
    with written(folder, name, sources):
        data = make_data(folder / "data", rows, import_module(f"{name}.preprocessing").preprocessing_fn)
        return run_check(read_settings(folder, name, settings, config), data)


def kind_only(rows):
    return [{name: row[name] for name in ("size", "kind", "share")} for row in rows]


def test_classes_of_all_rows_weights_and_class_weights(tmp_path):
    features = 'LABEL = "kind"\nLABEL_COLUMNS = ("kind",)\nWEIGHT = "share"\n'
    settings = ("train.class_weight=balanced",)
    report = check(tmp_path, features, settings=settings, rows=kind_only(ROWS))
    assert str(report) == "1 training step, 6 signatures"


@pytest.mark.parametrize("label", ['("kind", "price")', '{"kind": "kind", "price": "price"}'])
def test_several_labels(tmp_path, label):
    features = f'LABEL = {label}\nLABEL_COLUMNS = ("kind", "price")\nWEIGHT = "share"\n'
    settings = ("export.tflite.variants=[float32]", "export.metric=accuracy")
    report = check(tmp_path, features, ("price",), ACCURACY, settings)
    assert report.variants == ["TensorFlow Lite float32"]
    assert {"loss", "kind_loss", "price_loss"} <= report.figures.keys()


def test_several_labels_of_a_model_with_one_output_are_told(tmp_path):
    from hilir.components.errors import PreflightError

    model = """
import tf_keras as keras
from pydantic import BaseModel


class Hyperparameters(BaseModel):
    units: int = 4


class Net(keras.Model):
    def __init__(self):
        super().__init__(name="net")
        self.last = keras.layers.Dense(2)

    def call(self, inputs):
        return self.last(inputs["size"])


def build_model(hparams):
    model = Net()
    model.compile("adam", "mse")
    return model
"""
    features = 'LABEL = ("price", "share")\nLABEL_COLUMNS = ("price", "share")\n'
    rows = [{name: row[name] for name in ("size", "price", "share")} for row in ROWS]
    wanted = (
        "names the output 'price', 'share', which the model 'net' does not have; its outputs are output; "
        "answer a dict with a key for each label, or make one label of them in preprocessing_fn"
    )
    with pytest.raises(PreflightError, match=wanted):
        check(tmp_path, features, rows=rows, model=model)


def test_a_metric_of_an_output_without_a_label_is_told(tmp_path):
    from hilir.components.errors import PreflightError

    features = 'LABEL = {"price": "price"}\nLABEL_COLUMNS = ("kind", "price", "share")\n'
    rows = [{name: row[name] for name in ("size", "price")} for row in ROWS]
    config = CONFIG.replace("SparseCategoricalAccuracy", "MeanSquaredError").replace(
        "name: accuracy,", "name: accuracy, output: other,"
    )
    with pytest.raises(PreflightError, match="'accuracy' reads the output 'other', which has no label"):
        check(tmp_path, features, ("price", "other"), config, rows=rows)


def test_rows_without_a_label_are_left_out_or_refused(tmp_path):
    from hilir.components.errors import DataRefused

    features = 'LABEL = "kind"\nLABEL_COLUMNS = ("kind",)\nWEIGHT = "share"\n'
    rows = [row | {"kind": "" if at < 60 else row["kind"]} for at, row in enumerate(kind_only(ROWS))]
    (tmp_path / "kept").mkdir()
    (tmp_path / "refused").mkdir()
    report = check(tmp_path / "kept", features, settings=("train.missing_label=drop",), rows=rows)
    assert report.rows == 40
    with pytest.raises(DataRefused, match="60 of 100 rows of the split 'train' have none"):
        check(tmp_path / "refused", features, settings=("train.missing_label=refuse",), rows=rows)


def test_a_label_that_cannot_be_computed_from_a_missing_column_is_not_computed_where_nobody_sends_it(tmp_path):
    """As of an image that is decoded for each row: there is nothing to decode in a request."""
    preprocessing = """
import tensorflow as tf


def decode(value):
    return tf.strings.to_number(value)


def preprocessing_fn(inputs):
    prices = tf.map_fn(decode, tf.reshape(inputs["price"], [-1]), fn_output_signature=tf.float32)
    return {"size": inputs["size"], "price": tf.reshape(prices, [-1, 1])}
"""
    rows = [{"size": at / 8, "price": f"{at % 10}.25"} for at in range(60)]
    features = 'LABEL = {"price": "price"}\nLABEL_COLUMNS = ("price",)\n'
    config = CONFIG.replace("SparseCategoricalAccuracy", "MeanSquaredError")
    report = check(tmp_path, features, ("price",), config, rows=rows, preprocessing=preprocessing)
    assert "serving_default" in report.signatures
