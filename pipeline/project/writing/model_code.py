"""The text of model.py: one network for all tables, a linear part next to dense layers."""

from __future__ import annotations

from hilir.pipeline.project.design import Design

_START = '''"""The network: a linear part next to dense layers, over all features."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from {package} import features


class Hyperparameters(BaseModel):
    """What can be tuned; the YAML sets it under `train.hyperparameters`, `hilir tune` searches where `search` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden_units: tuple[PositiveInt, ...] = Field(
        {units}, json_schema_extra={{"search": {{"choices": [[32], [64, 32], [128, 64]]}}}}
    )
    dropout: NonNegativeFloat = Field({dropout}, json_schema_extra={{"search": {{"choices": [0.0, 0.1, 0.3]}}}})
    penalty: NonNegativeFloat = Field({penalty}, json_schema_extra={{"search": {{"choices": [0.0, 0.001, 0.01]}}}})
    learning_rate: PositiveFloat = Field(
        0.003, json_schema_extra={{"search": {{"min": 0.0003, "max": 0.03, "sampling": "log"}}}}
    )


def build_model(hparams: Hyperparameters, data: Any) -> keras.Model:
    """Returns the compiled model: the transformed features by name to {output}."""
    inputs = {{
        name: keras.Input(feature.shape, name=name, dtype=feature.dtype) for name, feature in data.features.items()
    }}
    penalty = keras.regularizers.L2(hparams.penalty)
'''
_NUMBERS = """    wide, deep = [inputs["numbers"]], [inputs["numbers"]]
"""
_NO_NUMBERS = """    wide, deep = [], []
"""
_CATEGORIES = """    for position, size in enumerate(features.CATEGORIES.values()):
        index = inputs["categories"][:, position]
        if size <= 100:
            wide.append(tf.one_hot(index, size + 1))
        width = min(16, round(1.6 * (size + 1) ** 0.56))
        deep.append(keras.layers.Embedding(size + 1, width, name=f"category_{position}")(index))
"""
_WORDS = """    words = keras.layers.Embedding(4097, 16, mask_zero=True, name="word")(inputs["words"])
    deep.append(keras.layers.GlobalAveragePooling1D(name="text")(words))
"""
_HIDDEN = """    hidden = _join(deep)
    for units in hparams.hidden_units:
        hidden = keras.layers.Dense(units, "relu", kernel_regularizer=penalty)(hidden)
        hidden = keras.layers.Dropout(hparams.dropout)(hidden)
    scores = keras.layers.Dense({units}, name="deep")(hidden)
"""
_WIDE = """    linear = keras.layers.Dense({units}, use_bias=False, kernel_regularizer=penalty, name="wide")
    scores = keras.layers.Add(name="scores")([scores, linear(_join(wide))])
"""
_OUTPUTS = {
    "binary": """    output = keras.layers.Activation("sigmoid", dtype="float32", name="probability")(scores)
""",
    "multiclass": """    output = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(scores)
""",
    "regression": """    output = keras.layers.Rescaling(
        features.LABEL_SPREAD, features.LABEL_MEAN, dtype="float32", name="value"
    )(scores)
""",
}
_COMPILE = """    model = keras.Model(inputs, {{"{name}": output}})
    model.compile(keras.optimizers.Adam(hparams.learning_rate), {loss}, metrics=[{metrics}])
    return model


def _join(parts: list[Any]) -> Any:
    return keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
"""
_NAMES = {"binary": "probability", "multiclass": "probabilities", "regression": "value"}
_LOSSES = {"binary": '"binary_crossentropy"', "multiclass": '"sparse_categorical_crossentropy"', "regression": '"mse"'}
_METRICS = {
    "binary": 'keras.metrics.AUC(name="auc")',
    "multiclass": '"accuracy"',
    "regression": 'keras.metrics.RootMeanSquaredError(name="rmse")',
}
_DESCRIBED = {
    "binary": "`probability` of {second}, [rows, 1]",
    "multiclass": "`probabilities` of the classes, [rows, classes]",
    "regression": "`value`, [rows, 1]",
}


def write_model(design: Design) -> str:
    """Returns model.py."""
    task = design.label.task
    small = design.table.rows < 1000
    second = repr(design.label.classes[1]) if task == "binary" else ""
    units = "len(data.classes)" if task == "multiclass" else "1"
    start = _START.format(
        package=design.package,
        units="(32,)" if small else "(64, 32)" if design.table.rows < 10_000 else "(128, 64)",
        dropout="0.1" if design.table.rows < 10_000 else "0.0",
        penalty="0.001" if design.table.rows < 10_000 else "0.0",
        output=_DESCRIBED[task].format(second=second),
    )
    categories = design.of("category", "large category")
    body = _NUMBERS if design.has_numbers else _NO_NUMBERS
    body += _CATEGORIES if categories else ""
    body += _WORDS if design.of("text") else ""
    body += _HIDDEN.format(units=units)
    if design.has_numbers or any(each.distinct <= 100 for each in categories):
        body += _WIDE.format(units=units)
    if not categories:
        start = start.replace("import tensorflow as tf\n", "")
    if not categories and task != "regression":
        start = start.replace(f"from {design.package} import features\n\n\n", "\n")
    return (
        start + body + _OUTPUTS[task] + _COMPILE.format(name=_NAMES[task], loss=_LOSSES[task], metrics=_METRICS[task])
    )
