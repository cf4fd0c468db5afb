"""The network."""

import tf_keras as keras
from pydantic import BaseModel

from benchmarks.train.workload.features import SIDE
from benchmarks.train.workload.turns import Turns


class Hyperparameters(BaseModel):
    filters: int = 64
    turns: str | None = None


class Workload(keras.Model):
    """Trains in turns with others, if asked to."""

    def fit(self, *arguments, **named):
        if self.turns:
            named["callbacks"] = [*named["callbacks"], Turns(self.turns)]
        return super().fit(*arguments, **named)


def build_model(hparams):
    image = keras.Input((SIDE, SIDE, 1), name="image")
    hidden = image
    for index in range(3):
        hidden = keras.layers.Conv2D(
            hparams.filters, 3, padding="same", activation="relu", name=f"convolution_{index}"
        )(hidden)
    hidden = keras.layers.GlobalAveragePooling2D(name="mean")(hidden)
    output = keras.layers.Dense(10, activation="softmax", name="probabilities", dtype="float32")(hidden)
    model = Workload({"image": image}, {"probabilities": output}, name="workload")
    model.turns = hparams.turns
    model.compile(
        optimizer=keras.optimizers.SGD(0.01),
        loss={"probabilities": keras.losses.SparseCategoricalCrossentropy()},
        metrics={"probabilities": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]},
    )
    return model
