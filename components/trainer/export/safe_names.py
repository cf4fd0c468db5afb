"""Names of inputs that are not Python's: traced under safe ones, and written as they are into the SavedModel.

A function's inputs are Python parameters, and TensorFlow replaces what no parameter may have. The keys of a
SignatureDef are free strings, so that servers, TensorFlow Lite and TensorFlow.js can show the names that the data has.
Only `tf.saved_model.load(…).signatures` calls the functions with their parameters' names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.saved_model.fingerprinting_utils import write_fingerprint

SERVE = "serve"
"""The tag of the graph that is served."""

_FILE = "saved_model.pb"


@dataclass(frozen=True)
class NamedFunction:
    """A concrete function, and the name of each of its inputs by parameter."""

    function: Any
    inputs: Mapping[str, str]


def trace(function: Callable[[dict[str, Any]], dict[str, Any]], specs: Mapping[str, tf.TensorSpec]) -> NamedFunction:
    """Returns the function as one with a parameter for each input.

    Args:
        function: takes tensors by the names of the inputs, returns tensors by the names of the outputs.
        specs: the inputs by name.
    """
    parameters = make_parameters(specs)

    def call(**values: tf.Tensor) -> dict[str, Any]:
        return function({name: values[parameter] for name, parameter in parameters.items()})

    traced = tf.function(call, autograph=False).get_concrete_function(
        **{parameters[name]: tf.TensorSpec(spec.shape, spec.dtype, parameters[name]) for name, spec in specs.items()}
    )
    return NamedFunction(traced, {parameter: name for name, parameter in parameters.items()})


def make_parameters(names: Iterable[str]) -> dict[str, str]:
    """Returns a valid name of a Python parameter for each name, itself where it is one; no two are the same.

    They also differ in more than case, since TensorFlow writes the parameters of its functions in small letters.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    # Those that stay as they are come first, so that none of them has to give way.
    for name in sorted(names, key=lambda name: (_make_parameter(name) != name, name)):
        parameter = base = _make_parameter(name)
        number = 1
        while parameter.lower() in taken:
            number += 1
            parameter = f"{base}_{number}"
        taken.add(parameter.lower())
        found[name] = parameter
    return found


def _make_parameter(name: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return safe if safe[:1].isalpha() and not iskeyword(safe) and safe != "self" else f"input_{safe.lstrip('_')}"


def save(module: tf.Module, folder: str, signatures: Mapping[str, NamedFunction]) -> None:
    """Writes the SavedModel; the inputs of its signatures have the names that they were traced for."""
    with _without_layers():
        tf.saved_model.save(module, folder, signatures={key: named.function for key, named in signatures.items()})
    renamed = {
        key: changed
        for key, named in signatures.items()
        if (changed := {old: new for old, new in named.inputs.items() if old != new})
    }
    if renamed:
        _rename_inputs(folder, renamed)


def _without_layers() -> AbstractContextManager[None]:
    """Leaves out a function for each layer, which only Keras's own loader calls: most of what saving costs.

    Keras has a public `save_traces` for its own `model.save` only.
    """
    try:
        from tf_keras.src.saving.legacy.saved_model.utils import keras_option_scope
    except ImportError:
        return nullcontext()
    scope: AbstractContextManager[None] = keras_option_scope(save_traces=False)
    return scope


def _rename_inputs(folder: str, signatures: Mapping[str, Mapping[str, str]]) -> None:
    path = os.path.join(folder, _FILE)
    model = _read(folder)
    for graph in model.meta_graphs:
        for key, names in signatures.items():
            inputs = graph.signature_def[key].inputs
            # Two steps: the new name of one input may be the old name of another.
            infos = {new: inputs.pop(old) for old, new in names.items()}
            for name, info in infos.items():
                inputs[name].CopyFrom(info)
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))
    # `tf.saved_model.save` has no hook before its last step, which this is.
    write_fingerprint(folder)


def read_parameters(folder: str) -> dict[str, dict[str, str]]:
    """Returns by signature the parameters of its function by the names of the inputs.

    TensorFlow calls the placeholder of an input by the key of the signature and the parameter
    (tensorflow/python/saved_model/save.py, `_map_function_arguments_to_created_inputs`).
    """
    (graph,) = [graph for graph in _read(folder).meta_graphs if SERVE in graph.meta_info_def.tags]
    return {
        key: {
            name: info.name.removeprefix(f"{key}_").rpartition(":")[0]
            for name, info in sorted(signature.inputs.items())
        }
        for key, signature in sorted(graph.signature_def.items())
        if not key.startswith("__")
    }


def _read(folder: str) -> saved_model_pb2.SavedModel:
    with tf.io.gfile.GFile(os.path.join(folder, _FILE), "rb") as file:
        return saved_model_pb2.SavedModel.FromString(file.read())
