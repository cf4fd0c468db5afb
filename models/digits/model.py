"""The network: flatten, dense 300 and 100 with ReLU, softmax over the ten digits."""

from __future__ import annotations

import tf_keras as keras
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from models.digits import features


class Hyperparameters(BaseModel):
    """What can be tuned; the YAML sets it under `train.hyperparameters`, `hilir tune` searches where `search` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden_units: tuple[PositiveInt, ...] = Field(
        (300, 100), json_schema_extra={"search": {"choices": [[100], [300, 100], [300, 300]]}}
    )
    learning_rate: PositiveFloat = Field(
        0.05, json_schema_extra={"search": {"min": 0.005, "max": 0.5, "sampling": "log"}}
    )


def build_model(hparams: Hyperparameters) -> keras.Model:
    """Returns the compiled model.

    Input: `image`, [rows, 8, 8] float32 from 0 to 1. Output: `probabilities` of the digits, [rows, 10].
    """
    image = keras.Input((features.SIDE, features.SIDE), name=features.IMAGE)
    hidden = keras.layers.Flatten(name="flat")(image)
    for index, units in enumerate(hparams.hidden_units):
        hidden = keras.layers.Dense(units, activation="relu", name=f"hidden_{index}")(hidden)
    probabilities = keras.layers.Dense(features.CLASSES, activation="softmax", dtype="float32", name="probabilities")(
        hidden
    )
    model = keras.Model({features.IMAGE: image}, {"probabilities": probabilities}, name="digits")
    model.compile(
        optimizer=keras.optimizers.SGD(hparams.learning_rate),
        loss={"probabilities": keras.losses.SparseCategoricalCrossentropy()},
        metrics={"probabilities": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]},
    )
    return model
