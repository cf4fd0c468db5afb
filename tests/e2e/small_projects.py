"""Small projects as somebody would write them who has read `docs/your-own-data.md`: kinds of models and of data."""

from __future__ import annotations

import csv
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.exporter.small_project import to_example

Row = dict[str, Any]
GOOD, BAD = ("gut", "toll", "super", "klasse"), ("schlecht", "mies", "öde", "lahm")
PREPROCESSING = """
import tensorflow as tf
import tensorflow_transform as tft


def dense(value, missing):
    if isinstance(value, tf.SparseTensor):
        value = tf.SparseTensor(value.indices, value.values, [value.dense_shape[0], 1])
        value = tf.sparse.to_dense(value, tf.cast(missing, value.dtype))
    return tf.reshape(value, [-1, 1])


def number(value):
    return dense(tft.scale_to_z_score(value), 0.0)


def preprocessing_fn(inputs):
"""
MODEL = """
import tensorflow as tf
import tf_keras as keras
from pydantic import BaseModel


class Hyperparameters(BaseModel):
    units: int = 8


"""
COMPILED = '    model.compile("adam", LOSS)\n    return model\n'


@dataclass(frozen=True)
class SmallProject:
    """A package, its data, and what is evaluated; `rows` makes a row, as a CSV file or (`records`) as tf.Examples."""

    features: str
    preprocessing: str
    model: str
    loss: str
    metrics: str
    rows: Callable[[random.Random], Row]
    export: str = ""
    records: bool = False

    def write(self, folder: Path, count: int = 400) -> None:
        """Writes the project; its command is `hilir run` in that folder."""
        (folder / "pkg").mkdir()
        (folder / "data").mkdir()
        loss = self.model + COMPILED.replace("LOSS", self.loss)
        parts = {"__init__": "", "features": self.features, "preprocessing": PREPROCESSING + self.preprocessing}
        for name, source in (parts | {"model": MODEL + loss}).items():
            (folder / "pkg" / f"{name}.py").write_text(source)
        first = self.metrics.partition("name: ")[2].partition(",")[0]
        (folder / "project.yaml").write_text(
            f"model: {{name: small, package: pkg}}\n"
            f"data: {{path: data, format: {'tfrecord' if self.records else 'csv'}}}\n"
            f"train: {{epochs: 2, batch_size: 32}}\n"
            f"evaluate:\n  metrics: [{self.metrics}]\n  thresholds: [{{metric: {first}, min: 0.0}}]\n"
            f"export: {{{self.export}}}\n"
        )
        dice = random.Random(7)
        rows = [self.rows(dice) for _ in range(count)]
        if self.records:
            _write_records(folder / "data" / "rows.tfrecord", rows)
            return
        with (folder / "data" / "rows.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def _write_records(path: Path, rows: list[Row]) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in rows:
            writer.write(to_example(row))


def _numbers(dice: random.Random) -> Row:
    a, b = round(dice.gauss(0, 1), 3), round(dice.gauss(0, 1), 3)
    return {"a": a, "b": b, "y": round(3 * a - b + dice.gauss(0, 0.1), 3)}


def _two(dice: random.Random) -> Row:
    row = _numbers(dice)
    return row | {"kind": "hoch" if row["y"] > 1 else "tief"}


def _image(dice: random.Random) -> Row:
    light = dice.randint(0, 200)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + bytes(min(255, light + at * 3) for at in range(8)) for _ in range(8))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return {"image/encoded": png, "light": int(light > 100)}


def _date(dice: random.Random) -> Row:
    month = dice.randint(1, 12)
    return {"Datum": f"202{dice.randint(0, 4)}-{month:02d}-{dice.randint(1, 28):02d}", "y": month + dice.gauss(0, 0.3)}


def _text(dice: random.Random) -> Row:
    words = [dice.choice(GOOD + BAD) for _ in range(dice.randint(1, 8))]
    good = sum(word in GOOD for word in words)
    return {"text": " ".join(words) + dice.choice(["!", "."]), "mood": "pos" if good * 2 >= len(words) else "neg"}


def _signal(dice: random.Random) -> Row:
    signal = [dice.gauss(0, 1) for _ in range(12)]
    return {"signal": signal, "y": sum(signal[-3:])}


def _tags(dice: random.Random) -> Row:
    tags = [dice.randint(0, 19) for _ in range(dice.randint(0, 6))]
    return {"tags": tags, "y": int(sum(tags) > 25)}


def _colours(dice: random.Random) -> Row:
    row = _numbers(dice)
    return {"a": row["a"], "b": row["b"], "rot": int(row["a"] > 0), "grün": int(row["b"] > 0)}


def _bool(dice: random.Random) -> Row:
    active = dice.random() < 0.5
    return {"aktiv": str(active), "alter": dice.randint(18, 80), "gekauft": active != (dice.random() < 0.1)}


TWO_INPUTS = '    a, b = keras.Input((1,), name="a"), keras.Input((1,), name="b")\n'
NUMBERS = '    return {"a": number(inputs["a"]), "b": number(inputs["b"]), '
Y = 'LABEL = "y"\nLABEL_COLUMNS = ("y",)\n'
KIND = 'LABEL = "kind"\nLABEL_COLUMNS = ("kind", "y")\n'
MAE = "{name: mae, class: MeanAbsoluteError}"
AUC = "{name: auc, class: AUC}"
LITE = "tflite: {variants: [float32]}"

PROJECTS = {
    "sequential on one joined feature": SmallProject(
        Y + 'WEIGHT = "w"\n',
        '    x = tf.concat([number(inputs["a"]), tft.scale_to_0_1(inputs["b"])], axis=1)\n'
        '    return {"x": x, "y": inputs["y"]}\n',
        "def build_model(hparams):\n    parts = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.1)]\n"
        '    dense = keras.layers.Dense(hparams.units, activation="relu")\n'
        "    model = keras.Sequential([dense, *parts, keras.layers.Dense(1)])\n",
        "keras.losses.Huber()", MAE, lambda dice: _numbers(dice) | {"w": dice.choice([1, 2, 5])}, LITE,
    ),
    "two outputs with a label each": SmallProject(
        'LABEL = {"wert": "y", "art": "kind"}\nLABEL_COLUMNS = ("y", "kind")\n',
        NUMBERS + '"y": inputs["y"], "kind": inputs["kind"]}\n',
        "def build_model(hparams, data):\n" + TWO_INPUTS +
        '    h = keras.layers.Dense(8, "relu")(keras.layers.concatenate([a, b]))\n'
        '    size = len(data.classes["kind"])\n'
        '    outputs = [keras.layers.Dense(1, name="wert")(h), keras.layers.Dense(size, "softmax", name="art")(h)]\n'
        "    model = keras.Model([a, b], outputs)\n",
        '["mse", "sparse_categorical_crossentropy"]',
        "{name: acc, class: SparseCategoricalAccuracy, output: art}, "
        "{name: mae, class: MeanAbsoluteError, output: wert}",
        _two, LITE,
    ),
    "subclassed": SmallProject(
        KIND, NUMBERS + '"kind": inputs["kind"]}\n',
        "class Net(keras.Model):\n    def __init__(self, units):\n        super().__init__()\n"
        '        self.first, self.last = keras.layers.Dense(units, "relu"), keras.layers.Dense(1, "sigmoid")\n'
        "        self.norm = keras.layers.BatchNormalization()\n\n"
        "    def call(self, inputs, training=False):\n"
        '        x = self.first(tf.concat([inputs["a"], inputs["b"]], axis=-1))\n'
        "        return self.last(self.norm(x, training=training))\n\n\n"
        "def build_model(hparams):\n    model = Net(hparams.units)\n",
        '"binary_crossentropy"', AUC, _two, LITE,
    ),
    "images": SmallProject(
        'LABEL = "light"\nLABEL_COLUMNS = ("light",)\n',
        "    def decode(data):\n"
        "        return tf.reshape(tf.cast(tf.io.decode_png(data, channels=1), tf.float32) / 255.0, [8, 8, 1])\n\n"
        '    data = tf.reshape(dense(inputs["image/encoded"], ""), [-1])\n'
        '    image = tf.map_fn(decode, data, fn_output_signature=tf.float32)\n'
        '    return {"image": image, "light": inputs["light"]}\n',
        'def build_model(hparams):\n    image = keras.Input((8, 8, 1), name="image")\n'
        "    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(image))\n"
        '    model = keras.Model(image, keras.layers.Dense(2, "softmax")(x))\n',
        '"sparse_categorical_crossentropy"', "{name: acc, class: SparseCategoricalAccuracy}", _image,
        "tflite: {variants: [float32, int8], inputs: transformed}", records=True,
    ),
    "dates": SmallProject(
        Y,
        '    month = tf.strings.to_number(tf.strings.substr(dense(inputs["Datum"], ""), 5, 2), tf.int64)\n'
        '    return {"month": tf.one_hot(tf.reshape(month, [-1]) - 1, 12), "y": inputs["y"]}\n',
        'def build_model(hparams):\n    month = keras.Input((12,), name="month")\n'
        "    model = keras.Model(month, keras.layers.Dense(1)(month))\n",
        '"mse"', MAE, _date,
    ),
    "text": SmallProject(
        'LABEL = "mood"\nLABEL_COLUMNS = ("mood",)\n',
        '    text = tf.strings.lower(tf.reshape(dense(inputs["text"], ""), [-1]))\n'
        '    words = tf.strings.split(tf.strings.regex_replace(text, "[^a-zäöü ]", " "))\n'
        "    ids = tft.compute_and_apply_vocabulary(words, default_value=-1, top_k=100)\n"
        '    return {"ids": (ids + 1).to_tensor(0, shape=[None, 12]), "mood": inputs["mood"]}\n',
        'def build_model(hparams):\n    ids = keras.Input((12,), dtype="int64", name="ids")\n'
        "    x = keras.layers.Embedding(102, 8, mask_zero=True)(ids)\n"
        "    x = keras.layers.Bidirectional(keras.layers.LSTM(4))(x)\n"
        '    model = keras.Model(ids, keras.layers.Dense(1, "sigmoid")(x))\n',
        '"binary_crossentropy"', AUC, _text, "tflite: {variants: [float32], inputs: transformed}",
    ),
    "a recurrent network on sequences": SmallProject(
        Y, '    return {"signal": tf.reshape(inputs["signal"], [-1, 12, 1]), "y": inputs["y"]}\n',
        'def build_model(hparams):\n    parts = [keras.Input((12, 1), name="signal"), keras.layers.GRU(8)]\n'
        "    model = keras.Sequential([*parts, keras.layers.Dense(1)])\n",
        '"mse"', MAE, _signal, LITE, records=True,
    ),
    "lists of whole numbers": SmallProject(
        Y, '    return {"tags": inputs["tags"], "y": inputs["y"]}\n',
        'def build_model(hparams):\n    tags = keras.Input((None,), name="tags", dtype="int64", sparse=True)\n'
        '    x = keras.layers.CategoryEncoding(20, output_mode="multi_hot")(tags)\n'
        '    model = keras.Model({"tags": tags}, keras.layers.Dense(1, "sigmoid")(x))\n',
        '"binary_crossentropy"', AUC, _tags, records=True,
    ),
    "several labels in one": SmallProject(
        'LABEL = "farben"\nLABEL_COLUMNS = ("rot", "grün")\n',
        '    farben = tf.concat([dense(inputs[name], 0) for name in ("rot", "grün")], axis=1)\n'
        + NUMBERS + '"farben": tf.cast(farben, tf.float32)}\n',
        "def build_model(hparams):\n" + TWO_INPUTS +
        '    scores = keras.layers.Dense(2, "sigmoid", name="farben")(keras.layers.concatenate([a, b]))\n'
        '    model = keras.Model({"a": a, "b": b}, scores)\n',
        '"binary_crossentropy"', "{name: acc, class: BinaryAccuracy}", _colours, "labels: [rot, grün], " + LITE,
    ),
    "columns of true and false": SmallProject(
        'LABEL = "gekauft"\nLABEL_COLUMNS = ("gekauft",)\n',
        '    active = dense(tft.compute_and_apply_vocabulary(inputs["aktiv"], num_oov_buckets=1), 2)\n'
        '    return {"aktiv": active, "alter": number(inputs["alter"]), "gekauft": inputs["gekauft"]}\n',
        "def build_model(hparams):\n"
        '    active, age = keras.Input((1,), name="aktiv"), keras.Input((1,), name="alter")\n'
        '    score = keras.layers.Dense(1, "sigmoid")(keras.layers.concatenate([active, age]))\n'
        '    model = keras.Model({"aktiv": active, "alter": age}, score)\n',
        '"binary_crossentropy"', AUC, _bool, LITE,
    ),
    "tf.keras, one-hot label": SmallProject(
        KIND,
        '    kind = tf.cast(tf.reshape(dense(inputs["kind"], ""), [-1]) == "hoch", tf.int64)\n'
        + NUMBERS + '"kind": tf.one_hot(kind, 2)}\n',
        "def build_model(hparams):\n" + TWO_INPUTS.replace("keras", "tf.keras") +
        "    both = tf.keras.layers.concatenate([a, b])\n"
        '    model = tf.keras.Model([a, b], tf.keras.layers.Dense(2, "softmax")(both))\n',
        '"categorical_crossentropy"', "{name: acc, class: CategoricalAccuracy}, {name: f1, class: F1Score}", _two, LITE,
    ),
    "own training step and loss": SmallProject(
        Y, NUMBERS + '"y": inputs["y"]}\n',
        "class Penalty(keras.layers.Layer):\n    def call(self, x):\n"
        "        self.add_loss(1e-3 * tf.reduce_sum(tf.square(x)))\n        return x\n\n\n"
        "class Mine(keras.Model):\n    def train_step(self, data):\n        x, y = data\n"
        "        with tf.GradientTape() as tape:\n"
        "            loss = self.compiled_loss(y, self(x, training=True), regularization_losses=self.losses)\n"
        "        weights = self.trainable_variables\n"
        "        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))\n"
        '        return {"loss": loss}\n\n\n'
        "def build_model(hparams):\n" + TWO_INPUTS +
        '    x = Penalty()(keras.layers.Dense(4, "tanh")(keras.layers.concatenate([a, b])))\n'
        "    model = Mine([a, b], keras.layers.Dense(1)(x))\n",
        '"mse"', MAE, _numbers, LITE,
    ),
}  # fmt: skip
