"""A project of a user's own, with folders named as ours are."""

from __future__ import annotations

import random
from pathlib import Path

NAMES = ("models", "pipeline", "components", "serving", "configs", "tests")
"""Folders that half of all machine-learning projects have, and this repository too."""

FILES = {
    "models/mine/__init__.py": "",
    "models/mine/features.py": 'LABEL = "heavy"\nLABEL_COLUMNS = ("weight",)\n',
    "models/mine/preprocessing.py": """
import tensorflow as tf
import tensorflow_transform as tft

from components.shapes import flat
from models.mine.modules import record
from pipeline.limits import HEAVY


def preprocessing_fn(inputs):
    record("Transform")
    heavy = tf.cast(flat(inputs["weight"]) > HEAVY, tf.int64)
    return {"size": flat(tft.scale_to_z_score(inputs["size"])), "heavy": heavy}
""",
    "models/mine/model.py": """
import tf_keras as keras
from pydantic import BaseModel

from models.mine.modules import record
from serving.names import OUTPUT


class Hyperparameters(BaseModel):
    units: int = 4


def build_model(hparams):
    record("Trainer")
    size = keras.Input((1,), name="size")
    hidden = keras.layers.Dense(hparams.units, activation="relu")(size)
    model = keras.Model({"size": size}, {OUTPUT: keras.layers.Dense(1, activation="sigmoid", name=OUTPUT)(hidden)})
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss="binary_crossentropy", metrics=["accuracy"])
    return model
""",
    # Notes which modules of these names the process has, and whether it is a training worker.
    "models/mine/modules.py": f"""
import json
import os
import sys
from pathlib import Path

NAMES = {NAMES!r}


def record(step):
    modules = list(sys.modules.items())
    found = {{name: module.__file__ for name, module in modules if name.partition(".")[0] in (*NAMES, "hilir")}}
    step = "worker" if "hilir.components.trainer.worker" in sys.argv[0].replace("/", ".") else step
    folder = Path(os.environ["MODULES"])
    folder.joinpath(f"{{step}}-{{os.getpid()}}.json").write_text(json.dumps(found))
""",
    "components/shapes.py": """
import tensorflow as tf


def flat(values):
    values = tf.sparse.to_dense(values) if isinstance(values, tf.SparseTensor) else values
    return tf.reshape(values, [-1, 1])
""",
    "pipeline/limits.py": "HEAVY = 50.0\n",
    "serving/names.py": 'OUTPUT = "probability"\n',
    "configs/__init__.py": 'raise ImportError("this is not the configuration that hilir means")\n',
    "tests/test_mine.py": "def test_nothing(): pass\n",
}


def write_project(folder: Path) -> Path:
    """Writes the project with its data; returns its YAML file."""
    for name in NAMES[:-2]:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").touch()
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.lstrip("\n"))
    rows = random.Random(1)
    sizes = [rows.uniform(0, 10) for _ in range(600)]
    (folder / "data").mkdir()
    (folder / "data" / "mine.csv").write_text(
        "size,weight\n" + "".join(f"{size:.3f},{size * 10:.3f}\n" for size in sizes)
    )
    yaml = folder / "mine.yaml"
    yaml.write_text(f"""
model: {{name: mine, package: models.mine}}
pipeline: {{root: {folder}/out/pipelines, runs: {folder}/runs}}
serving: {{root: {folder}/out/models}}
data: {{path: {folder}/data, pattern: "*.csv"}}
train: {{epochs: 2, batch_size: 64}}
evaluate:
  metrics: [{{name: auc, class: AUC}}]
  thresholds: [{{metric: auc, min: 0.6}}]
""")
    return yaml
