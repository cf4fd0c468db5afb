"""Runs a TensorFlow Lite file, and says what is in it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from hilir.components.exporter.edge_model import SIGNATURE

_ACTIVATIONS = {code: name for name, code in vars(schema.ActivationFunctionType).items() if isinstance(code, int)}
_OPERATORS = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


class TFLiteModel:
    """A loaded file: floats in and floats out, whatever the types inside."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        runner = _load(content).get_signature_runner(SIGNATURE)
        self._inputs = runner.get_input_details()
        self._outputs = runner.get_output_details()
        # The runner takes inputs as keywords, and none can be called `self`; an interpreter takes them by index.
        self._interpreter = _load(content)

    def predict(self, features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the outputs by name, [rows, …], for inputs [rows, …]."""
        if not self.is_single:
            return self._run(features)
        count = len(next(iter(features.values())))
        rows = [self._run({name: value[at : at + 1] for name, value in features.items()}) for at in range(count)]
        return {name: np.concatenate([row[name] for row in rows]) for name in self._outputs}

    @property
    def is_single(self) -> bool:
        """Whether the file takes exactly one row at a time."""
        return any(detail["shape_signature"][0] == 1 for detail in self._inputs.values())

    def _run(self, features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        interpreter = self._interpreter
        values = {detail["index"]: _quantize(features[name], detail) for name, detail in self._inputs.items()}
        for index, value in values.items():
            interpreter.resize_tensor_input(index, value.shape)
        interpreter.allocate_tensors()
        # A fused recurrent layer would start a row with the state in which it ended the last one.
        interpreter.reset_all_variables()
        for index, value in values.items():
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        return {
            name: _dequantize(interpreter.get_tensor(detail["index"]), detail) for name, detail in self._outputs.items()
        }

    def single_call(self, features: Mapping[str, np.ndarray]) -> Callable[[], None]:
        """Returns a function that asks for the first row; what it costs is the latency on a device."""
        interpreter = _load(self._content)
        interpreter.allocate_tensors()
        places = [(detail["index"], _quantize(features[name][:1], detail)) for name, detail in self._inputs.items()]
        fetches = [detail["index"] for detail in self._outputs.values()]

        def call() -> None:
            for index, value in places:
                interpreter.set_tensor(index, value)
            interpreter.invoke()
            for index in fetches:
                interpreter.get_tensor(index)

        return call

    def signature(self) -> dict[str, dict[str, Any]]:
        """Returns inputs and outputs by name with type, shape (-1: any) and quantization."""
        return {
            "inputs": {name: _describe(detail) for name, detail in sorted(self._inputs.items())},
            "outputs": {name: _describe(detail) for name, detail in sorted(self._outputs.items())},
        }


def _load(content: bytes) -> Any:
    with warnings.catch_warnings():
        # The notice that the interpreter moves to a package of its own.
        warnings.simplefilter("ignore")
        return tf.lite.Interpreter(model_content=content, num_threads=1)


def list_operators(content: bytes) -> dict[str, int]:
    """Returns how often each operator is used."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    names = Counter(_name(model, operator) for graph in model.subgraphs for operator in graph.operators)
    return dict(sorted(names.items()))


def list_fusions(content: bytes) -> dict[str, int]:
    """Returns how often an activation was fused into an operator, for example {"FULLY_CONNECTED+RELU": 2}."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    found: Counter[str] = Counter()
    for graph in model.subgraphs:
        for operator in graph.operators:
            activation = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
            if activation:
                found[f"{_name(model, operator)}+{_ACTIVATIONS[activation]}"] += 1
    return dict(sorted(found.items()))


def _name(model: Any, operator: Any) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    if code.customCode:
        return str(code.customCode.decode())
    return str(_OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)])


def _describe(detail: dict[str, Any]) -> dict[str, Any]:
    found = {"dtype": np.dtype(detail["dtype"]).name, "shape": [int(size) for size in detail["shape_signature"]]}
    if detail["dtype"] is np.bytes_:
        found["dtype"] = "string"
    scale, zero_point = detail["quantization"]
    if scale:
        found["quantization"] = {"scale": float(scale), "zero_point": int(zero_point)}
    return found


def _quantize(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    if not scale:
        return values
    limits = np.iinfo(detail["dtype"])
    whole: np.ndarray = np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(detail["dtype"])
    return whole


def _dequantize(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    return (values.astype(np.float32) - zero_point) * np.float32(scale) if scale else values
