"""Takes out of a SavedModel what the converters can read: its network alone, and the network behind raw features."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from hilir.components.exporter.errors import ExportError, PreprocessingError
from hilir.components.exporter.transform.in_graph import RawFeatures
from hilir.components.exporter.transform.transform_graph import read_program
from hilir.components.exporter.transform.transform_program import Program
from hilir.components.trainer.export.names import read_parameters, save, trace

SIGNATURE = "edge"

Network = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class EdgeModel:
    """Small SavedModels with the one signature `edge`.

    - `network`: path of the network with numeric inputs;
    - `raw`: path of the same network behind raw features, equal to `network` where that takes them by itself;
      None where the transform graph cannot leave TensorFlow;
    - `program`: what must be computed before `network` is called, None where nothing is;
    - `refusal`: why there is neither `raw` nor `program`;
    - `loaded`: the SavedModel that all of it comes from;
    - `parameters`: by signature, the names of its function's parameters by the names of the inputs.
    """

    loaded: Any
    parameters: Mapping[str, Mapping[str, str]]
    network: str
    raw: str | None
    program: Program | None
    refusal: str | None = None

    def inputs(self, signature: str) -> dict[str, tf.TensorSpec]:
        """Returns the inputs of a signature by name."""
        return find_inputs(self.loaded, self.parameters, signature)


def find_inputs(loaded: Any, parameters: Mapping[str, Mapping[str, str]], signature: str) -> dict[str, tf.TensorSpec]:
    """Returns the inputs of a signature of a loaded SavedModel by name; `parameters`: of all its signatures."""
    specs = loaded.signatures[signature].structured_input_signature[1]
    return {name: specs[parameter] for name, parameter in parameters[signature].items()}


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
    parameters = read_parameters(saved_model)
    specs = find_inputs(loaded, parameters, SIGNATURE)
    frozen = _freeze(loaded.signatures[SIGNATURE], parameters[SIGNATURE])
    network = _save(frozen, specs, os.path.join(folder, "network"))
    raw_specs = find_inputs(loaded, parameters, "serving_default")
    several = {name for name, spec in raw_specs.items() if None in spec.shape[1:]}
    if specs == raw_specs and not several:
        return EdgeModel(loaded, parameters, network, network, None)
    try:
        program = read_program(loaded, sorted(specs), several)
    except PreprocessingError as error:
        return EdgeModel(loaded, parameters, network, None, None, str(error))
    module = RawFeatures(program, frozen)
    raw = _save(module.predict, module.input_specs(), os.path.join(folder, "raw"), module)
    return EdgeModel(loaded, parameters, network, raw, program)


def read_edge_inputs(path: str) -> dict[str, tf.TensorSpec]:
    """Returns the inputs by name of one of the small SavedModels."""
    return find_inputs(tf.saved_model.load(path), read_parameters(path), SIGNATURE)


def _freeze(edge: Any, parameters: Mapping[str, str]) -> Network:
    """Returns the signature as a function of its inputs that holds its weights as constants."""
    frozen = convert_variables_to_constants_v2(edge)
    # The order of a function's inputs is that of its sorted parameters, that of its outputs that of their sorted names.
    names = sorted(parameters, key=lambda name: parameters[name])
    outputs = sorted(edge.structured_outputs)

    def network(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        found = frozen(*(features[name] for name in names))
        return {name: tf.identity(value) for name, value in zip(outputs, found, strict=True)}

    return network


def _save(function: Network, specs: dict[str, tf.TensorSpec], path: str, module: tf.Module | None = None) -> str:
    save(module or tf.Module(), path, {SIGNATURE: trace(function, specs)})
    return path
