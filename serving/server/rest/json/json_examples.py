"""Classify and Regress bodies: JSON objects to serialized tf.Examples (MakeExampleFromJsonObject)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow.core.example import example_pb2, feature_pb2

from hilir.serving.server.inference.memory import EXAMPLE_COPIES, Take
from hilir.serving.server.rest.json.json_decode import decode_object
from hilir.serving.server.rest.json.json_predict import read_signature_name
from hilir.serving.server.rest.json.json_tensor import decode_base64, is_base64_object
from hilir.serving.server.rest.json.json_text import debug_string, type_name
from hilir.serving.server.status import StatusError, invalid_argument


@dataclass(frozen=True)
class ExamplesInput:
    """A decoded Classify or Regress request: one serialized tf.Example per row, context already merged."""

    signature_name: str
    examples: list[bytes]


def decode_examples(body: bytes, take: Take) -> ExamplesInput:
    """Decode a Classify or Regress body.

    Args:
        body: the request's body.
        take: counts what the examples become, before they do.

    Raises:
        StatusError: with TensorFlow Serving's text.
    """
    document = decode_object(body, take)
    signature_name = read_signature_name(document)
    context = b""
    if "context" in document:
        context = make_example(document["context"])
    if "examples" not in document:
        raise _format_error(document, "When method is classify, key 'examples' is expected and was not found")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise _format_error(document, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise _format_error(document, "'examples' value is an empty array")
    take(EXAMPLE_COPIES * len(context) * len(examples))
    # Concatenated messages parse as one merged message, in which the later part wins.
    return ExamplesInput(signature_name, [context + make_example(example) for example in examples])


def _format_error(document: dict[str, Any], text: str) -> StatusError:
    return invalid_argument(f"JSON Value: {debug_string(document)} {text}")


def make_example(value: Any) -> bytes:
    """One JSON object as a serialized tf.Example.

    Raises:
        StatusError: not an object, or a feature that is neither a scalar nor a flat list of one type.
    """
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {type_name(value)}")
    example = example_pb2.Example()
    for name, content in value.items():
        key = name.encode("utf-8", "replace").decode()
        feature = example.features.feature[key]
        for item in content if isinstance(content, list) else [content]:
            _add(feature, name, item)
    return bytes(example.SerializeToString())


def _add(feature: feature_pb2.Feature, name: str, value: Any) -> None:
    if value is None or isinstance(value, list) or (isinstance(value, dict) and not is_base64_object(value)):
        raise invalid_argument(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")
    if isinstance(value, dict):
        _list_of(feature, name, "bytes_list").append(decode_base64(value))
    elif isinstance(value, str):
        _list_of(feature, name, "bytes_list").append(value.encode("utf-8", "surrogateescape"))
    elif isinstance(value, float):
        with np.errstate(over="ignore"):
            _list_of(feature, name, "float_list").append(float(np.float32(value)))
    else:
        values = _list_of(feature, name, "int64_list")
        if value >= 2**63:
            raise invalid_argument(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
        values.append(int(value))


def _list_of(feature: feature_pb2.Feature, name: str, kind: str) -> Any:
    present = feature.WhichOneof("kind")
    if present not in (None, kind):
        raise invalid_argument(
            f"Unexpected element type in feature: {name} expecting type: {present.removesuffix('_list')}"
        )
    return getattr(feature, kind).value
