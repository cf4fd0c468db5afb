"""Converts a model to TensorFlow Lite."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from hilir.components.exporter.edge_model import SIGNATURE
from hilir.components.exporter.errors import ExportError

METADATA = "hilir.json"
"""Name of the metadata entry in the file; a JSON object with `model` and `labels`."""

INTEGER = ("int8", "int16x8")
"""Variants that are calibrated."""

_SPARSE_FROM = 0.5

_REMEDIES = {
    r"tf\.SparseCross\w*|tf\.StringToHashBucket\w*": "use a vocabulary in place of the layer that hashes",
    r"tf\.DenseBincount": "use tf.one_hot in place of CategoryEncoding, and of the output mode of other layers",
    # Of a layer that takes the feature as it is, such as an embedding of a column that rows may lack.
    r"tf\.Sparse(?!Cross)\w*": "give the model dense features: tf.sparse.to_dense(column, default_value) in "
    "preprocessing_fn",
}
"""What to do instead, by operations that TensorFlow Lite does not have."""


def convert(
    saved_model: str,
    variant: str,
    calibration: dict[str, np.ndarray] | None = None,
    sparse: bool = False,
) -> bytes:
    """Returns the TensorFlow Lite file of the signature `edge`.

    Args:
        saved_model: a SavedModel with that signature.
        variant: `float32`, `dynamic_range`, `float16`, `int8` or `int16x8`.
        calibration: for the last two, inputs by name, [rows, …], that show the range of each activation.
        sparse: whether weights that are mostly zeros are stored sparsely.

    Raises:
        ExportError: the converter cannot, or would need TensorFlow's own operators.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[SIGNATURE])
    builtins = [tf.lite.OpsSet.TFLITE_BUILTINS]
    optimizations = [] if variant == "float32" else [tf.lite.Optimize.DEFAULT]
    match variant:
        case "float16":
            converter.target_spec.supported_types = [tf.float16]
        case "int8":
            builtins = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        case "int16x8":
            builtins = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    if variant in INTEGER:
        assert calibration is not None, f"{variant} needs calibration rows"
        converter.representative_dataset = lambda: _batches(calibration)
    converter.optimizations = optimizations + ([tf.lite.Optimize.EXPERIMENTAL_SPARSITY] if sparse else [])
    converter.target_spec.supported_ops = builtins
    try:
        with warnings.catch_warnings():
            # The notice that the interpreter, with which the converter calibrates, moves to a package of its own.
            warnings.simplefilter("ignore")
            content: bytes = converter.convert()
    except Exception as error:  # the converter raises what it likes
        raise ExportError(_explain(str(error), variant)) from error
    return content


def is_pruned(saved_model: str) -> bool:
    """Returns whether at least half of the weights in the SavedModel's matrices are zeros."""
    zeros = total = 0
    for variable in _matrices(saved_model):
        zeros += int(np.sum(variable == 0))
        total += variable.size
    return total > 0 and zeros / total >= _SPARSE_FROM


def add_metadata(content: bytes, entry: dict[str, Any]) -> bytes:
    """Returns the file with a JSON object as metadata entry `hilir.json`."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(json.dumps(entry, ensure_ascii=False).encode(), np.uint8)
    model.buffers.append(buffer)
    metadata = schema.MetadataT()
    metadata.name = METADATA
    metadata.buffer = len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), metadata]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def read_metadata(content: bytes) -> dict[str, Any]:
    """Returns the JSON object that `add_metadata` wrote, empty where there is none."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for metadata in model.metadata or []:
        if metadata.name.decode() == METADATA:
            found: dict[str, Any] = json.loads(bytes(model.buffers[metadata.buffer].data))
            return found
    return {}


def _batches(calibration: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    rows = len(next(iter(calibration.values())))
    for row in range(rows):
        yield {name: values[row : row + 1] for name, values in calibration.items()}


def _matrices(saved_model: str) -> Iterator[np.ndarray]:
    """Yields the network's weights of two or more dimensions."""
    loaded = tf.saved_model.load(saved_model)  # a function does not keep its variables
    for variable in loaded.signatures[SIGNATURE].variables:
        if variable.shape.rank > 1:
            yield variable.numpy()


def _explain(message: str, variant: str) -> str:
    named = sorted({line.split()[0].partition("(")[0] for line in map(str.strip, message.splitlines()) if _is_op(line)})
    if named:
        known = [remedy for operation, remedy in _REMEDIES.items() if any(re.fullmatch(operation, n) for n in named)]
        remedy = ", and ".join(known) or "use other operations in the model"
        return f"TensorFlow Lite {variant}: its own operators cannot do {', '.join(named)}; {remedy}"
    cause, remedy = _find_cause(message), "use other operations in the model, try another variant"
    if variant in INTEGER and "TensorList" in cause:
        cause = f"a recurrent layer such as GRU is a loop, which {variant} cannot have ({cause})"
        remedy = (
            "build the layer with unroll=True and a fixed length, use LSTM, or the variants dynamic_range or float16"
        )
    return f"TensorFlow Lite {variant}: the converter failed: {cause}; {remedy}, or --verbose for the whole message"


def _is_op(line: str) -> bool:
    """Whether the line describes one of TensorFlow's operations, as the converter lists those that it cannot do."""
    return line.startswith("tf.") and "(" in line


def _find_cause(message: str) -> str:
    """Returns the converter's own words: its first error without the places, else its first line."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    errors = [re.sub(r"^loc\(.*\): ", "", line.rpartition("error: ")[2]) for line in lines if "error: " in line]
    return (errors or lines or ["no message"])[0].rstrip(".;: ")
