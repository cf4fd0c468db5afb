"""A shop's project: which parcels are heavy, told from a measured size; the sensor that measures it is exchanged."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL, LABEL = "parcels", "heavy"
SIZE, SPREAD = 50.0, 10.0
AGES = range(25, 75, 5)
FAULTY_AGE = 40
"""The age, one of ten, to which the third version has no answer."""

_FILES = {
    "__init__.py": "",
    "features.py": 'LABEL = "heavy"\nLABEL_COLUMNS = ("heavy",)\n',
    "preprocessing.py": """
import tensorflow as tf
import tensorflow_transform as tft


def dense(value):
    if isinstance(value, tf.SparseTensor):
        value = tf.sparse.to_dense(tf.SparseTensor(value.indices, value.values, [value.dense_shape[0], 1]))
    return tf.reshape(value, [-1, 1])


def preprocessing_fn(inputs):
    numbers = {name: dense(tft.scale_to_z_score(inputs[name])) for name in ("size", "age")}
    return numbers | {"heavy": inputs["heavy"]}
""",
    "model.py": """
import tf_keras as keras
from pydantic import BaseModel


class Hyperparameters(BaseModel):
    units: int = 8


def build_model(hparams):
    inputs = {name: keras.Input((1,), name=name) for name in ("size", "age")}
    hidden = keras.layers.Dense(hparams.units, activation="relu")(keras.layers.concatenate(list(inputs.values())))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden))
    model.compile(keras.optimizers.Adam(0.03), loss="binary_crossentropy")
    return model
""",
}


@dataclass(frozen=True)
class Parcel:
    """What is measured of a parcel, and whether it is heavy in truth."""

    size: float
    age: int
    heavy: bool

    @property
    def features(self) -> dict[str, Any]:
        return {"size": self.size, "age": self.age}


def draw_parcel(dice: random.Random, shift: float) -> Parcel:
    """A parcel as a sensor sees it that shows `shift` standard deviations too much."""
    deviation = dice.gauss(0, 1)
    return Parcel(round(SIZE + SPREAD * (deviation + shift), 3), dice.choice(AGES), deviation > 0)


def write_day(folder: Path, day: int, shift: float, rows: int = 3000) -> None:
    """Writes a day's parcels with their labels, complete at once."""
    dice, beside = random.Random(day), folder / "data" / f".day-{day}"
    beside.mkdir(parents=True)
    with (beside / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["size", "age", LABEL])
        writer.writeheader()
        for parcel in (draw_parcel(dice, shift) for _ in range(rows)):
            writer.writerow(parcel.features | {LABEL: int(parcel.heavy)})
    beside.rename(folder / "data" / f"day-{day}")


def write_project(folder: Path, program: str, rollout: list[str], hook: str = "") -> Path:
    """Writes the project with the data of its first day; returns its YAML file.

    Args:
        folder: where to.
        program: YAML of `watch.program`.
        rollout: options of the rollout that follows a run.
        hook: who is notified, an address; nobody without one.
    """
    package = folder / MODEL
    package.mkdir()
    for name, content in _FILES.items():
        (package / name).write_text(content.lstrip("\n"))
    write_day(folder, 1, 0.0)
    config = folder / f"{MODEL}.yaml"
    options = ", ".join(f'"{option}"' for option in rollout)
    config.write_text(f"""
model: {{name: {MODEL}, package: {MODEL}}}
data: {{path: data, pattern: "day-{{SPAN}}/*.csv"}}
train: {{epochs: 6, batch_size: 64}}
evaluate:
  metrics: [{{name: accuracy, class: BinaryAccuracy}}]
  thresholds: [{{metric: accuracy, min: 0.9}}]
monitor:
  log: log/requests
  window_rows: 400
  window_seconds: 0
  outcomes: out/outcomes.sqlite
watch:
  program: {program}
  debounce_seconds: 0
  drift: {{level: alarm, windows: 2, quiet_hours: 24}}
  after: rollout
  after_options: [{options}]
notify: {f"[{{webhook: '{hook}', secret: HOOK_KEY, events: [rollout-end, rollout-stop]}}]" if hook else "[]"}
""")
    return config
