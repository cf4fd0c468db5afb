"""The network."""

import tf_keras as keras
from pydantic import BaseModel

from benchmarks.pipeline.wide.features import READ


class Hyperparameters(BaseModel):
    units: int = 8


def build_model(hparams):
    inputs = {name: keras.Input((1,), name=name) for name in READ}
    hidden = keras.layers.Dense(hparams.units, activation="relu", name="hidden")(
        keras.layers.Concatenate(name="features")(list(inputs.values()))
    )
    output = keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden)
    model = keras.Model(inputs, {"probability": output}, name="wide")
    model.compile("adam", {"probability": keras.losses.BinaryCrossentropy()})
    return model
