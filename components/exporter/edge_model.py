"""Takes out of a SavedModel what the converters can read: its network alone, and the network behind raw features."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from hilir.components.exporter.errors import ExportError, PreprocessingError
from hilir.components.exporter.transform.in_graph import FilledFeatures, RawFeatures
from hilir.components.exporter.transform.transform_graph import read_program
from hilir.components.exporter.transform.transform_program import Program
from hilir.components.trainer.export.extra_files import read_extra
from hilir.components.trainer.export.raw_features import TYPICAL_FILE
from hilir.components.trainer.export.safe_names import read_parameters, save, trace

SIGNATURE = "edge"

Network = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]
Change = Callable[[Network, Mapping[str, tf.TensorSpec]], Network]


@dataclass(frozen=True)
class EdgeModel:
    """Small SavedModels with the one signature `edge`.

    - `network`: path of the network with numeric inputs;
    - `raw`: path of the same network behind raw features, of which missing ones are marked; equal to `network` where
      that takes them by itself and none may be missing; None where the transform graph cannot leave TensorFlow;
    - `program`: what must be computed before `network` is called, None where nothing is;
    - `typical`: what `network` takes for a missing raw feature, where it takes those by itself;
    - `refusal`: why there is neither `raw` nor `program`;
    - `loaded`: the SavedModel that all of it comes from;
    - `parameters`: by signature, the names of its function's parameters by the names of the inputs.
    """

    loaded: Any
    parameters: Mapping[str, Mapping[str, str]]
    network: str
    raw: str | None
    program: Program | None
    typical: Mapping[str, Any] = field(default_factory=dict)
    refusal: str | None = None

    @property
    def takes_raw(self) -> bool:
        """Whether `network` takes the raw features."""
        return self.program is None and self.refusal is None

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
    call = _call(loaded, parameters)
    network = _save(call, specs, os.path.join(folder, "network"), loaded)
    raw_specs = find_inputs(loaded, parameters, "serving_default")
    several = {name for name, spec in raw_specs.items() if None in spec.shape[1:]}
    if specs == raw_specs and not several:
        typical = read_extra(saved_model, TYPICAL_FILE)
        if not typical:
            return EdgeModel(loaded, parameters, network, network, None)
        raw = _save(FilledFeatures(typical, call).predict, specs, os.path.join(folder, "raw"), loaded)
        return EdgeModel(loaded, parameters, network, raw, None, typical)
    try:
        program = read_program(loaded, sorted(specs), several)
    except PreprocessingError as error:
        return EdgeModel(loaded, parameters, network, None, None, refusal=str(error))
    module = RawFeatures(program, call)
    raw = _save(module.predict, module.input_specs(), os.path.join(folder, "raw"), loaded, module)
    return EdgeModel(loaded, parameters, network, raw, program)


def read_edge_inputs(path: str) -> dict[str, tf.TensorSpec]:
    """Returns the inputs by name of one of the small SavedModels."""
    return find_inputs(tf.saved_model.load(path), read_parameters(path), SIGNATURE)


def write_single(edge: EdgeModel, raw: bool, folder: str, change: Change | None = None) -> str:
    """Writes `raw` or `network` for exactly one row at a time; returns its path.

    TensorFlow Lite has recurrent layers only for a number of rows that is known.

    Args:
        edge: the model.
        raw: whether it takes raw features.
        folder: where to write; one for each way of doing it.
        change: what to do to the network, whose inputs are given too.
    """
    network = _call(edge.loaded, edge.parameters)
    if change is not None:
        network = change(network, _one_row(edge.inputs(SIGNATURE)))
    path = os.path.join(folder, "single_raw" if raw else "single_network")
    if raw and edge.program is not None:
        module = RawFeatures(edge.program, network)
        return _save(module.predict, _one_row(module.input_specs()), path, edge.loaded, module)
    if raw:
        network = FilledFeatures(edge.typical, network).predict
    return _save(network, _one_row(edge.inputs(SIGNATURE)), path, edge.loaded)


def _one_row(specs: Mapping[str, tf.TensorSpec]) -> dict[str, tf.TensorSpec]:
    return {name: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype) for name, spec in specs.items()}


def _call(loaded: Any, parameters: Mapping[str, Mapping[str, str]]) -> Network:
    """Returns the signature as a function of its inputs by name.

    It stays a call of the model's own functions: the converters know recurrent layers by their names.
    """
    function, names = loaded.signatures[SIGNATURE], parameters[SIGNATURE]

    def network(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        found: dict[str, tf.Tensor] = function(**{names[name]: value for name, value in features.items()})
        return found

    return network


def _save(
    function: Network, specs: dict[str, tf.TensorSpec], path: str, loaded: Any, module: tf.Module | None = None
) -> str:
    module = module or tf.Module()
    module.state = _find_state(loaded)
    save(module, path, {SIGNATURE: trace(function, specs)})
    return path


def _find_state(loaded: Any) -> list[Any]:
    """Returns the weights and tables that the network reads.

    They are saved with it; the rest of the model, such as tables of the transform graph, would be converted, too.
    """
    function = loaded.signatures[SIGNATURE]
    captured = {id(tensor) for tensor in function.captured_inputs}
    parts = tf.train.TrackableView(loaded).descendants()
    tables = [part for part in parts if id(getattr(part, "resource_handle", None)) in captured]
    return [*function.variables, *tables]
