"""The network: embeddings of the categorical features beside the numeric ones, then two dense layers."""

from __future__ import annotations

import tf_keras as keras
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from models.taxi import features


class Hyperparameters(BaseModel):
    """What can be tuned; the YAML sets it under `train.hyperparameters`, `hilir tune` searches where `search` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding_size: PositiveInt = Field(8, json_schema_extra={"search": {"choices": [4, 8, 16]}})
    hidden_units: tuple[PositiveInt, ...] = Field(
        (64, 32), json_schema_extra={"search": {"choices": [[32], [64, 32], [128, 64]]}}
    )
    learning_rate: PositiveFloat = Field(
        0.003, json_schema_extra={"search": {"min": 0.0003, "max": 0.03, "sampling": "log"}}
    )


def build_model(hparams: Hyperparameters) -> keras.Model:
    """Returns the compiled model.

    Inputs: the transformed features by name, each [rows, 1]. Output: `probability` of a big tip, [rows, 1].
    """
    inputs = {name: keras.Input((1,), name=name, dtype="float32") for name in features.NUMERIC}
    inputs |= {name: keras.Input((1,), name=name, dtype="int64") for name in features.SIZES}
    parts = [inputs[name] for name in features.NUMERIC]
    for name, size in features.SIZES.items():
        embedded = keras.layers.Embedding(size, hparams.embedding_size, name=f"{name}_embedding")(inputs[name])
        parts.append(keras.layers.Flatten(name=f"{name}_flat")(embedded))
    hidden = keras.layers.Concatenate(name="features")(parts)
    for index, units in enumerate(hparams.hidden_units):
        hidden = keras.layers.Dense(units, activation="relu", name=f"hidden_{index}")(hidden)
    probability = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name="probability")(hidden)
    model = keras.Model(inputs, {"probability": probability}, name="taxi")
    model.compile(
        optimizer=keras.optimizers.Adam(hparams.learning_rate),
        loss={"probability": keras.losses.BinaryCrossentropy()},
        metrics={"probability": [keras.metrics.AUC(name="auc")]},
    )
    return model
