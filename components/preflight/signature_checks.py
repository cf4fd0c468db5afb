"""Every signature of the exported model with real rows, and its golden requests."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from hilir.components.errors import PreflightError
from hilir.components.exporter.edge_model import SIGNATURE as EDGE
from hilir.components.exporter.example_rows import Rows
from hilir.components.preflight.sample_rows import write_rows
from hilir.components.preflight.stage import stage
from hilir.components.pusher.golden_requests import SIGNATURE as SERVED
from hilir.components.pusher.golden_requests import write_golden
from hilir.components.trainer.export.export_module import ExportModule
from hilir.components.trainer.export.python_calls import require_no_python
from hilir.components.trainer.export.safe_names import NamedFunction
from hilir.components.trainer.export.saved_model import write_model
from hilir.components.trainer.model_package import ModelPackage

_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """A SavedModel of one step, and what it says on the raw rows.

    Attributes:
        folder: where it is.
        signatures: its functions by name.
        outputs: of the signature `examples` by name, [rows, …].
        labels: of the signature `label` by name, [rows, …].
    """

    folder: str
    signatures: Mapping[str, NamedFunction]
    outputs: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]


def call_signatures(
    network: keras.Model,
    transform: tft.TFTransformOutput,
    package: ModelPackage,
    classes: Mapping[str, tuple[str, ...]],
    rows: Rows,
    folder: str,
) -> Exported:
    """Exports the network to `folder` and calls each signature with the rows.

    Raises:
        ComponentError: a signature cannot be traced, saved or called.
    """
    with stage("tracing and saving the signatures of the model", package.name, f"fix {package.name}"):
        module = ExportModule(network, transform, package, classes)
        signatures = module.signatures()
        require_no_python(signatures, package.name)
        write_model(module, signatures, package, classes, folder)
    answers: dict[str, dict[str, np.ndarray]] = {}
    for name in signatures:
        with stage(f"calling the signature '{name}' with real rows", package.name, f"fix {package.name}"):
            answers[name] = _call(signatures[name], _make_inputs(name, signatures, rows))
    return Exported(folder, signatures, answers["examples"], answers["label"])


def check_golden(exported: Exported, model: str, package: str, rows: Rows, work: str) -> None:
    """Writes the golden requests of the SavedModel, reads them back and asks them again.

    Raises:
        ComponentError: they cannot be written or read back, or the answers differ.
    """
    with stage("writing the golden requests and reading them back", package, f"fix {package}"):
        write_golden(exported.folder, model, [write_rows(os.path.join(work, "raw.gz"), rows.serialized)])
        with open(os.path.join(exported.folder, "assets.extra", "golden.jsonl"), encoding="utf-8") as file:
            requests = [json.loads(line) for line in file]
        served = exported.signatures[SERVED]
        specs = _specs(served)
        for request in requests:
            inputs = {name: _to_array(request["inputs"][name], spec.dtype) for name, spec in specs.items()}
            for name, value in _call(served, inputs).items():
                if not _is_same(value, _to_array(request["outputs"][name], tf.as_dtype(value.dtype))):
                    raise PreflightError(
                        f"the model gives two answers for '{name}' to one golden request, by which a release is "
                        f"checked; nothing was trained, make {package}.model answer the same for the same row"
                    )


def _make_inputs(name: str, signatures: Mapping[str, NamedFunction], rows: Rows) -> dict[str, Any]:
    """Returns the rows as a signature takes them: by feature, transformed, or as serialized examples."""
    specs = _specs(signatures[name])
    if name == SERVED or (name == EDGE and specs == _specs(signatures[SERVED])):
        return rows.arrays(specs)
    if name == EDGE:
        transformed = _call(signatures["transform_features"], {"examples": rows.tensor()})
        return {key: transformed[key] for key in specs}
    return dict.fromkeys(specs, rows.tensor())


def _specs(named: NamedFunction) -> dict[str, tf.TensorSpec]:
    """Returns the inputs by name."""
    specs = named.function.structured_input_signature[1]
    return {name: specs[parameter] for parameter, name in named.inputs.items()}


def _call(named: NamedFunction, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    specs = named.function.structured_input_signature[1]
    values = {key: tf.constant(inputs[name], specs[key].dtype) for key, name in named.inputs.items()}
    return {name: value.numpy() for name, value in named.function(**values).items()}


def _to_array(value: Any, dtype: tf.DType) -> np.ndarray:
    array: np.ndarray = np.array(_to_bytes(value) if dtype == tf.string else value, dtype.as_numpy_dtype)
    return array


def _to_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_bytes(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def _is_same(found: np.ndarray, expected: np.ndarray) -> bool:
    if found.dtype.kind != "f":
        return bool(np.array_equal(found, expected))
    return bool(np.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True))
