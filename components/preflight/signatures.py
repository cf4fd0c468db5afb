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
from hilir.components.exporter.edge_model import find_inputs
from hilir.components.exporter.rows import Rows
from hilir.components.preflight.sample import write_rows
from hilir.components.preflight.stage import stage
from hilir.components.pusher.golden import SIGNATURE as SERVED
from hilir.components.pusher.golden import write_golden
from hilir.components.trainer.export.names import read_parameters
from hilir.components.trainer.export.saved_model import export
from hilir.components.trainer.model_package import ModelPackage

_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """A SavedModel of one step, and what it says on the raw rows.

    Attributes:
        folder: where it is.
        loaded: itself.
        parameters: by signature, the parameters of its function by the names of the inputs.
        outputs: of the signature `examples` by name, [rows, …].
        labels: of the signature `label`, [rows, …].
    """

    folder: str
    loaded: Any
    parameters: Mapping[str, Mapping[str, str]]
    outputs: Mapping[str, np.ndarray]
    labels: np.ndarray


def call_signatures(
    network: keras.Model, transform: tft.TFTransformOutput, package: ModelPackage, rows: Rows, folder: str
) -> Exported:
    """Exports the network to `folder` and calls each signature with the rows.

    Raises:
        ComponentError: a signature cannot be traced, saved or called.
    """
    with stage("tracing the signatures of the model", package.name, f"fix {package.name}"):
        export(network, transform, package, folder)
        loaded = tf.saved_model.load(folder)
    parameters = read_parameters(folder)
    answers = {}
    for name, function in sorted(loaded.signatures.items()):
        with stage(f"calling the signature '{name}' with real rows", package.name, f"fix {package.name}"):
            inputs = _make_inputs(name, loaded, parameters, rows)
            found = function(**{parameters[name][key]: value for key, value in inputs.items()})
            answers[name] = {key: value.numpy() for key, value in found.items()}
    (labels,) = answers["label"].values()
    return Exported(folder, loaded, parameters, answers["examples"], labels)


def check_golden(exported: Exported, model: str, package: str, rows: Rows, work: str) -> None:
    """Writes the golden requests of the SavedModel, reads them back and asks them again.

    Raises:
        ComponentError: they cannot be written or read back, or the answers differ.
    """
    with stage("writing the golden requests and reading them back", package, f"fix {package}"):
        write_golden(exported.folder, model, [write_rows(os.path.join(work, "raw.gz"), rows.serialized)])
        with open(os.path.join(exported.folder, "assets.extra", "golden.jsonl"), encoding="utf-8") as file:
            requests = [json.loads(line) for line in file]
        specs = find_inputs(exported.loaded, exported.parameters, SERVED)
        parameters = exported.parameters[SERVED]
        for request in requests:
            inputs = {
                parameters[name]: tf.constant(_to_array(request["inputs"][name], spec.dtype), spec.dtype)
                for name, spec in specs.items()
            }
            for name, value in exported.loaded.signatures[SERVED](**inputs).items():
                if not _is_same(value.numpy(), _to_array(request["outputs"][name], value.dtype)):
                    raise PreflightError(
                        f"the model gives two answers for '{name}' to one golden request, by which a release is "
                        f"checked; nothing was trained, make {package}.model answer the same for the same row"
                    )


def _make_inputs(name: str, loaded: Any, parameters: Mapping[str, Mapping[str, str]], rows: Rows) -> dict[str, Any]:
    """Returns the rows as a signature takes them: by feature, transformed, or as serialized examples."""
    specs = find_inputs(loaded, parameters, name)
    served = find_inputs(loaded, parameters, SERVED)
    if name == SERVED or (name == EDGE and specs == served):
        return {key: tf.constant(value) for key, value in rows.arrays(specs).items()}
    if name == EDGE:
        transformed = loaded.signatures["transform_features"](examples=rows.tensor())
        return {key: transformed[key] for key in specs}
    return dict.fromkeys(specs, rows.tensor())


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
