"""Requests of the gRPC cases, and what it means that one fails."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

HALF = "half_plus_two"


def predict_request(name=HALF, signature="", version=None, label=None, outputs=(), **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    request.output_filter.extend(outputs)
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(
            value if hasattr(value, "dtype") and not isinstance(value, np.ndarray) else tf.make_tensor_proto(value)
        )
    return request


def fails(call, request, code, message):
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=10)
    assert caught.value.code() is code
    assert message in caught.value.details()


def examples(request, *values, feature="x"):
    for value in values:
        example = request.input.example_list.examples.add()
        example.features.feature[feature].float_list.value.append(value)
    return request
