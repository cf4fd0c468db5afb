import tf_keras as keras
from pydantic import BaseModel


class Hyperparameters(BaseModel):
    folder: str | None = None
    explode: bool = False


def build_model(hparams, data):
    x = keras.Input(data.features["x"].shape, name="x")
    scores = keras.layers.Dense(len(data.classes), "softmax", kernel_initializer="zeros", name="scores")(x)
    model = keras.Model({"x": x}, scores)
    rate = float("inf") if hparams.explode else 1.0
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
