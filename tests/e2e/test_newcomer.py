"""A shop's project, month after month: run, run again, serve, ask in every way, stage and promote."""

from __future__ import annotations

import csv
import json
import random
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import requests

from tests.integration.serving.server_process import free_port

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

TAGS = ("gelb", "grün", "hart", "rot", "süß", "weich")
CLASSES = ["groß", "klein", "mittel"]
FILES = {
    "kunden/__init__.py": "",
    "kunden/features.py": f"""
LABEL = "Abo"
LABEL_COLUMNS = ("Abo",)
WEIGHT = "Gewicht der Zeile"
NUMBERS = ("Alter in Jahren", "Größe (cm)")
TAGS = {TAGS!r}
""",
    "kunden/preprocessing.py": """
import tensorflow as tf
import tensorflow_transform as tft

from kunden import features


def preprocessing_fn(inputs):
    outputs = {name: dense(tft.scale_to_z_score(inputs[name]), 0.0) for name in features.NUMBERS}
    street = tft.compute_and_apply_vocabulary(inputs["Straße"], num_oov_buckets=1, vocab_filename="street")
    outputs["Straße"] = dense(street, 4)
    parts = tf.strings.split(tf.reshape(dense(inputs["Tags"], ""), [-1]), ";").to_tensor("")
    has = [tf.cast(tf.reduce_any(parts == tag, axis=1), tf.float32) for tag in features.TAGS]
    outputs["Tags"] = tf.stack(has, axis=1)
    outputs["Abo"] = inputs["Abo"]
    return outputs


def dense(value, missing):
    if isinstance(value, tf.SparseTensor):
        value = tf.SparseTensor(value.indices, value.values, [value.dense_shape[0], 1])
        value = tf.sparse.to_dense(value, tf.cast(missing, value.dtype))
    return tf.reshape(value, [-1, 1])
""",
    "kunden/model.py": """
import tf_keras as keras
from pydantic import BaseModel

from kunden import features


class Hyperparameters(BaseModel):
    units: int = 16
    learning_rate: float = 0.01


def build_model(hparams, data):
    inputs = {name: keras.Input((1,), name=name) for name in features.NUMBERS}
    inputs["Straße"] = keras.Input((1,), name="Straße", dtype="int64")
    inputs["Tags"] = keras.Input((len(features.TAGS),), name="Tags")
    street = keras.layers.Flatten()(keras.layers.Embedding(5, 3)(inputs["Straße"]))
    x = keras.layers.Concatenate()([inputs[name] for name in features.NUMBERS] + [street, inputs["Tags"]])
    x = keras.layers.Dense(hparams.units, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(len(data.classes), activation="softmax")(x))
    model.compile(keras.optimizers.Adam(hparams.learning_rate), "sparse_categorical_crossentropy", ["accuracy"])
    return model
""",
    "kunden/metrics.py": """
import tensorflow as tf
import tf_keras as keras


class ProfitPerRow(keras.metrics.Metric):
    def __init__(self, name="profit", **named):
        super().__init__(name=name, **named)
        self.total = self.add_weight("total", initializer="zeros")
        self.rows = self.add_weight("rows", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        right = tf.equal(tf.cast(tf.reshape(y_true, [-1]), tf.int64), tf.argmax(y_pred, -1))
        value = tf.where(right, 3.0, -1.0)
        weight = tf.ones_like(value) if sample_weight is None else tf.reshape(tf.cast(sample_weight, tf.float32), [-1])
        self.total.assign_add(tf.reduce_sum(value * weight))
        self.rows.assign_add(tf.reduce_sum(weight))

    def result(self):
        return self.total / self.rows
""",
    "kunden.yaml": """
model: {name: kunden, package: kunden}
data: {path: monat1, pattern: "*.csv"}
train: {epochs: 8, batch_size: 64}
evaluate:
  metrics:
    - {name: accuracy, class: SparseCategoricalAccuracy}
    - {name: profit, module: kunden.metrics, class: ProfitPerRow}
  slices: {street: {features: [Straße]}}
  thresholds: [{metric: accuracy, min: 0.6}, {metric: profit, min: 1.0}]
export:
  tflite: {variants: [float32], inputs: transformed}
""",
}
COLUMNS = ("Alter in Jahren", "Größe (cm)", "Straße", "Tags", "Gewicht der Zeile", "Abo")


def write_month(folder: Path, seed: int, *, holes: bool = False) -> None:
    rows = random.Random(seed)
    folder.mkdir()
    with (folder / "kunden.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(1200):
            age, size = rows.randint(18, 80), round(rows.gauss(175, 9), 1)
            tags = rows.sample(TAGS, rows.randint(0, 4))
            kind = "groß" if size > 180 else "mittel" if "süß" in tags or age < 35 else "klein"
            street = rows.choice(["Bäckergasse", "Am Tor", "São-Paulo-Weg"])
            row = [age, size, street, ";".join(tags), rows.choice([0.5, 1, 2]), kind]
            if holes and number % 50 < 4:
                row[number % 50] = ""
            writer.writerow(row)


class Shop:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, content in FILES.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content.lstrip("\n"))
        write_month(folder / "monat1", 1)
        write_month(folder / "monat2", 2, holes=True)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "hilir.pipeline.cli", *arguments]

    def hilir(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, capture_output=True, text=True, timeout=500, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def running(self, *arguments: str, until: str):
        """Runs a command until the block ends; yields what it printed up to the line that matches."""
        process = subprocess.Popen(
            self.command(*arguments), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        lines: list[str] = []
        try:
            for line in process.stdout or ():
                lines.append(line)
                if re.search(until, line):
                    break
            else:
                raise AssertionError("".join(lines))
            yield "".join(lines)
        finally:
            process.terminate()
            process.communicate(timeout=60)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    made = Shop(tmp_path_factory.mktemp("shop"))
    made.first = json.loads(made.hilir("run", "--json").splitlines()[-1])
    made.second = json.loads(made.hilir("run", "--json", "--set", "data.path=monat2").splitlines()[-1])
    return made


@pytest.fixture(scope="module")
def server(shop):
    """The address of REST and of gRPC, and what `hilir serve` printed."""
    rest, grpc = free_port(), free_port()
    ports = ("--rest_api_port", str(rest), "--port", str(grpc))
    with shop.running("serve", *ports, until="^Try kunden: ") as printed:
        yield f"http://127.0.0.1:{rest}", f"127.0.0.1:{grpc}", printed


def read_rows(shop, count: int = 200):
    """Rows of the second month as inputs; a missing value is None."""
    with (shop.folder / "monat2" / "kunden.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:count]
    kinds = {"Alter in Jahren": int, "Größe (cm)": float, "Straße": str, "Tags": str}
    return {name: [kind(row[name]) if row[name] else None for row in rows] for name, kind in kinds.items()}


def test_both_months_are_pushed_and_the_second_is_compared_with_the_first(shop):
    assert (shop.first["version"], shop.second["version"]) == (1, 2)
    assert shop.second["comparison"]["skipped"] is None
    assert shop.second["baseline"]["accuracy"] > 0.8
    assert shop.second["data"]["checked_against"] == "the schema of version 1"
    assert shop.second["data"]["anomalies"] == []
    for summary in (shop.first, shop.second):
        manifest = json.loads(Path(shop.folder, summary["version_path"], "manifest.json").read_text())
        assert manifest["classes"] == {"Abo": CLASSES}
        assert set(manifest["signatures"]["serving_default"]["inputs"]) == {*COLUMNS} - {"Abo", "Gewicht der Zeile"}


def test_the_metrics_are_weighted(shop):
    import tensorflow as tf

    version = Path(shop.folder, shop.second["version_path"])
    manifest = json.loads((version / "manifest.json").read_text())
    (examples,) = Path(shop.folder, manifest["data"]["examples"]).glob("Split-eval/*")
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(examples), "GZIP")]
    model = tf.saved_model.load(str(version))
    scores = model.signatures["examples"](examples=tf.constant(records))["output"].numpy()
    labels = model.signatures["label"](examples=tf.constant(records))["Abo"].numpy()[:, 0]
    weights = [tf.train.Example.FromString(each).features.feature["Gewicht der Zeile"] for each in records]
    weight = np.array([each.float_list.value[0] for each in weights])
    right = scores.argmax(1) == labels
    assert np.average(right, weights=weight) != pytest.approx(np.mean(right), abs=1e-6)
    assert shop.second["metrics"]["accuracy"] == pytest.approx(np.average(right, weights=weight), abs=1e-5)
    assert shop.second["metrics"]["profit"] == pytest.approx(
        np.average(np.where(right, 3.0, -1.0), weights=weight), abs=1e-5
    )


def test_the_printed_line_rest_grpc_and_the_page_give_the_same_answer(shop, server):
    from hilir.serving.client import GrpcClient, RestClient

    rest, grpc, printed = server
    line = shlex.split(next(line for line in printed.splitlines() if line.startswith("Try ")).partition(": ")[2])
    body = line[line.index("-d") + 1]
    (answer,) = requests.post(line[-1], data=body.encode(), timeout=30).json()["predictions"]
    assert answer["classes"] == CLASSES
    rows = read_rows(shop)
    assert all(None in values for name, values in rows.items() if name != "Tags")
    with RestClient(rest) as client:
        by_rest = client.predict("kunden", rows).outputs
    with GrpcClient(grpc) as client:
        by_grpc = client.predict("kunden", rows).outputs
    np.testing.assert_allclose(by_rest["output"], by_grpc["output"], atol=1e-6)
    first = {name: values[0] for name, values in rows.items()}
    with shop.running("browse", "--port", "0", until="^open ") as printed:
        url = printed.split()[1].rstrip("/")
        (listed,) = requests.get(f"{url}/models/index.json", timeout=30).json()
        assert (listed["model"], listed["version"], listed["report"]["labels"]) == ("kunden", 2, CLASSES)
        assert listed["report"]["inputs"]["Straße"]["words"] == ["Am Tor", "Bäckergasse", "São-Paulo-Weg"]
        found = requests.post(f"{url}/predict/kunden/2", json=first, timeout=60).json()
    np.testing.assert_allclose(found["output"], by_rest["output"][0], atol=1e-6)


def test_tensorflow_lite_gives_it_too(shop, server):
    import tensorflow as tf

    from hilir.components.exporter.tflite.tflite_file import TFLiteModel

    version = Path(shop.folder, shop.second["version_path"])
    model = TFLiteModel((version.parent / "exports" / "2" / "tflite" / "float32.tflite").read_bytes())
    rows = [{"Alter in Jahren": 30, "Größe (cm)": 181.5, "Straße": "Am Tor", "Tags": "rot;süß"}, {}]
    examples = []
    for row in rows:
        example = tf.train.Example()
        for name, value in row.items():
            feature = example.features.feature[name]
            if isinstance(value, str):
                feature.bytes_list.value.append(value.encode())
            else:
                kind = feature.int64_list if isinstance(value, int) else feature.float_list
                kind.value.append(value)
        examples.append(example.SerializeToString())
    transformed = tf.saved_model.load(str(version)).signatures["transform_features"](examples=tf.constant(examples))
    inputs = {name: transformed[name].numpy() for name in ("Alter in Jahren", "Größe (cm)", "Straße", "Tags")}
    body = {"instances": [rows[0], dict.fromkeys(inputs)]}
    answers = requests.post(f"{server[0]}/v1/models/kunden:predict", json=body, timeout=30).json()["predictions"]
    expected = [answer["output"] for answer in answers]
    np.testing.assert_allclose(model.predict(inputs)["output"], expected, atol=1e-5)


def test_both_versions_are_staged_and_promoted(shop, server):
    for version in ("1", "2"):
        shop.hilir("release", "stage", version, "--server", server[0])
        assert f"stable {version}" in shop.hilir("release", "promote", "--server", server[0])
    state = shop.hilir("release", "show", "--server", server[0])
    assert "stable" in state
    assert requests.get(f"{server[0]}/v1/models/kunden/versions/2", timeout=30).status_code == 200
