"""What a user reads when their own code fails, in a folder of their own: the message, their line, the log."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.forking import run_hilir

pytestmark = pytest.mark.pipeline

FILES = {
    "own/__init__.py": "",
    "own/features.py": 'LABEL = "kind"\nLABEL_COLUMNS = ("kind",)\n',
    "own/preprocessing.py": """
import tensorflow as tf
import tensorflow_transform as tft

def dense(x):
    return tf.reshape(tf.sparse.to_dense(tf.SparseTensor(x.indices, x.values, [x.dense_shape[0], 1])), [-1, 1])

def preprocessing_fn(inputs):
    read = {name: dense(x) if isinstance(x, tf.SparseTensor) else tf.reshape(x, [-1, 1]) for name, x in inputs.items()}
    return {"total": tft.scale_to_z_score(read["Order Total"]), "kind": read["kind"]}
""",
    "own/metrics.py": """
import tf_keras as keras

class Profit(keras.metrics.Metric):
    def __init__(self, name="profit", **named):
        super().__init__(name=name, **named)
        self.total = self.add_weight("total", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(prices()["b"])

    def result(self):
        return self.total

def prices():
    return {"a": 1.0}
""",
    "own/model.py": """
import tf_keras as keras
from pydantic import BaseModel

class Hyperparameters(BaseModel):
    units: int = 4

def check(x):
    return x

class Mine(keras.Model):
    def call(self, x, training=None, mask=None):
        return check(super().call(x, training=training, mask=mask))

def build_model(hparams):
    inputs = {"total": keras.Input((1,), name="total")}
    hidden = keras.layers.Dense(hparams.units, activation="relu")(inputs["total"])
    model = Mine(inputs, {"p": keras.layers.Dense(1, activation="sigmoid")(hidden)})
    model.compile("adam", {"p": "binary_crossentropy"})
    return model
""",
    "own/rows.py": """
import random

def write(folder):
    random.seed(1)
    rows = [f"{at / 40:.3f},{int(at % 7 > 3)}" for at in range(400)]
    open(f"{folder}/rows.csv", "w").write("Order Total,kind\\n" + "\\n".join(rows) + "\\n")
""",
    "own.yaml": """
model: {name: own, package: own}
data: {path: rows, generator: own.rows.write, pattern: "*.csv"}
train: {batch_size: 64}
evaluate:
  metrics: [{name: accuracy, class: BinaryAccuracy}]
  thresholds: [{metric: accuracy, max: 0.01}]
""",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The project's folder; its store is shared, so that unchanged steps come from the cache."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture
def run(project):
    """Returns a function that replaces a part of a file, runs the project and returns exit code, screen and log."""
    for name, text in FILES.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)

    def run(file: str, old: str, new: str, *options: str) -> tuple[int, str, str]:
        path = project / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        done = run_hilir(["run", *options], cwd=project)
        logs = sorted((project / "runs").glob("*/log.txt"), key=lambda log: log.stat().st_mtime)
        return done.returncode, done.stdout + done.stderr, logs[-1].read_text() if logs else ""

    return run


def line_of(project: Path, file: str, code: str) -> str:
    lines = (project / file).read_text().splitlines()
    return f"{file}:{next(number for number, line in enumerate(lines, 1) if code in line)}"


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "message"),
    [
        ("own/features.py", 'LABEL = "kind"', 'LABEL = {}["x"]', 3, "own.features cannot be imported: KeyError: 'x'"),
        (
            "own/model.py",
            "    return x",
            '    raise ValueError("no such city")',
            4,
            "Preflight: one batch through the network: ValueError: no such city ",
        ),
        (
            "own/model.py",
            "import tf_keras as keras",
            "import not_there",
            3,
            "own.model: imports 'not_there'",
        ),
    ],
)
def test_the_screen_has_the_message_and_the_line_and_the_log_the_traceback(project, run, file, old, new, code, message):
    found, screen, log = run(file, old, new)
    assert found == code, screen
    (line,) = [line for line in screen.splitlines() if line.startswith("hilir: ")]
    assert line.startswith(f"hilir: {message}")
    assert line_of(project, file, new.strip()) in line
    assert "Traceback (most recent call last):" in log
    assert "Traceback" not in screen
    named = re.search(r"the whole traceback is in (runs/\S+/log\.txt)", line)
    assert named is None or (project / named[1]).read_text() == log


def test_a_file_that_cannot_be_parsed_is_refused_before_anything_runs(project, run):
    found, screen, _ = run("own/model.py", "    return x", "    return x[")
    assert found == 3
    line = line_of(project, "own/model.py", "return x[").rpartition(":")[2]
    assert f"own/model.py, line {line}: '[' was never closed; fix that line" in screen
    assert "loading TensorFlow" not in screen


def test_a_generator_of_data_that_fails(project, run):
    found, screen, log = run("own/rows.py", "random.seed(1)", "random.seed({}[1])", "--set", "data.path=others")
    assert found == 3
    place = line_of(project, "own/rows.py", "random.seed(")
    assert f"hilir: data.generator 'own.rows.write': KeyError: 1 ({place}); the whole traceback is in runs/" in screen
    assert "KeyError: 1" in log


def test_a_metric_that_fails(project, run):
    metrics = "metrics: [{name: profit, module: own.metrics, class: Profit}, "
    found, screen, log = run("own.yaml", "metrics: [", metrics)
    assert found == 4
    place = line_of(project, "own/metrics.py", 'prices()["b"]')
    assert "hilir: Preflight: evaluate.metrics: 'profit' of class Profit does not fit" in screen
    assert f"KeyError: 'b' ({place})" in screen
    assert "KeyError: 'b'" in log


def test_a_model_that_is_not_blessed_ends_with_a_code_of_its_own(run):
    found, screen, _ = run("own.yaml", "batch_size: 64", "batch_size: 64", "--json")
    assert found == 6, screen
    result = json.loads(screen.splitlines()[-1])
    assert (result["status"], result["blessed"], result["version"]) == ("not_blessed", False, None)
    assert "not blessed, not pushed:" in screen
    found, screen, _ = run("own.yaml", "batch_size: 64", "batch_size: 64", "--json", "--to", "Trainer")
    assert (found, json.loads(screen.splitlines()[-1])["status"]) == (0, "succeeded")
