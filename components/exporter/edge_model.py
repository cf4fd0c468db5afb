"""Takes out of a SavedModel what the converters can read: its network alone, and the network behind raw features."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from hilir.components.exporter.errors import ExportError, PreprocessingError
from hilir.components.exporter.transform.in_graph import RawFeatures
from hilir.components.exporter.transform.transform_graph import read_program
from hilir.components.exporter.transform.transform_program import Program

SIGNATURE = "edge"


@dataclass(frozen=True)
class EdgeModel:
    """Small SavedModels with the one signature `edge`.

    - `network`: path of the network with numeric inputs;
    - `raw`: path of the same network behind raw features, equal to `network` where that takes them by itself;
      None where the transform graph cannot leave TensorFlow;
    - `program`: what must be computed before `network` is called, None where nothing is;
    - `refusal`: why there is neither `raw` nor `program`;
    - `loaded`: the SavedModel that all of it comes from.
    """

    loaded: Any
    network: str
    raw: str | None
    program: Program | None
    refusal: str | None = None


def prepare(saved_model: str, folder: str) -> EdgeModel:
    """Writes the small SavedModels below `folder`.

    Raises:
        ExportError: the model has no signature `edge`.
    """
    loaded = tf.saved_model.load(saved_model)
    if SIGNATURE not in loaded.signatures:
        raise ExportError(
            f"{saved_model}: the model has no signature '{SIGNATURE}' (it has {', '.join(sorted(loaded.signatures))}); "
            f"models that hilir's trainer exports have it, train it anew"
        )
    edge = loaded.signatures[SIGNATURE]
    frozen = _freeze(edge)
    network = _save(frozen, _specs(edge), os.path.join(folder, "network"))
    if _takes_raw(loaded):
        return EdgeModel(loaded, network, network, None)
    try:
        program = read_program(loaded, sorted(_specs(edge)))
    except PreprocessingError as error:
        return EdgeModel(loaded, network, None, None, str(error))
    module = RawFeatures(program, frozen)
    raw = _save(module.predict, module.input_specs(), os.path.join(folder, "raw"), module)
    return EdgeModel(loaded, network, raw, program)


def _takes_raw(loaded: Any) -> bool:
    return _specs(loaded.signatures[SIGNATURE]) == _specs(loaded.signatures["serving_default"])


def _specs(function: Any) -> dict[str, tf.TensorSpec]:
    specs: dict[str, tf.TensorSpec] = function.structured_input_signature[1]
    return specs


def _freeze(edge: Any) -> Any:
    """Returns the signature as a function of its inputs that holds its weights as constants."""
    frozen = convert_variables_to_constants_v2(edge)
    # The order of a signature's inputs and outputs is that of their sorted names.
    names = sorted(_specs(edge))
    outputs = sorted(edge.structured_outputs)

    def network(**features: tf.Tensor) -> dict[str, tf.Tensor]:
        found = frozen(*(features[name] for name in names))
        return {name: tf.identity(value, name) for name, value in zip(outputs, found, strict=True)}

    return network


def _save(function: Any, specs: dict[str, tf.TensorSpec], path: str, module: tf.Module | None = None) -> str:
    graph = tf.function(function, autograph=False).get_concrete_function(**specs)
    tf.saved_model.save(module or tf.Module(), path, signatures={SIGNATURE: graph})
    return path
