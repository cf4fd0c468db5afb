"""Requests with known answers that travel with a version: for warm-up, and for checks before traffic is sent to it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from tfx.dsl.io import fileio

from hilir.components.trainer.export.row_values import make_array, read_values

ROWS = 8
SIGNATURE = "serving_default"


def write_golden(folder: str, model: str, patterns: list[str]) -> None:
    """Asks the model for the first rows; writes requests and answers below `folder`/assets.extra.

    `golden.jsonl` has one JSON object (signature, inputs, outputs) of one row per line, in which bytes that are not
    UTF-8 text are `{"b64": …}`;
    `tf_serving_warmup_requests` the same requests as TensorFlow Serving's PredictionLog records
    (https://www.tensorflow.org/tfx/serving/saved_model_warmup).

    Args:
        folder: the version.
        model: name under which it is served.
        patterns: files of raw serialized tf.Examples, gzipped TFRecords.
    """
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        signature = loaded.signature_def[SIGNATURE]
        requests = [make_request(signature, example) for example in _first(patterns)]
        fetches = {name: info.name for name, info in signature.outputs.items()}
        answers = [
            session.run(fetches, {signature.inputs[name].name: value for name, value in request.items()})
            for request in requests
        ]
    extra = os.path.join(folder, "assets.extra")
    fileio.makedirs(extra)
    with fileio.open(os.path.join(extra, "golden.jsonl"), "w") as file:
        for request, answer in zip(requests, answers, strict=True):
            line = {"signature": SIGNATURE, "inputs": _plain(request), "outputs": _plain(answer)}
            file.write(json.dumps(line) + "\n")
    with tf.io.TFRecordWriter(os.path.join(extra, "tf_serving_warmup_requests")) as writer:
        for request in requests:
            writer.write(_prediction_log(model, request).SerializeToString(deterministic=True))


def make_request(signature: Any, example: tf.train.Example) -> dict[str, np.ndarray]:
    """Returns one row as the inputs of the signature by name, missing values marked as `serving_default` wants them."""
    request = {}
    for name, info in signature.inputs.items():
        dtype = tf.as_dtype(info.dtype).name
        shape = [None if dimension.size == -1 else dimension.size for dimension in info.tensor_shape.dim][1:]
        request[name] = make_array([read_values(example, name, dtype)], dtype, shape)
    return request


def _first(patterns: list[str]) -> Iterator[tf.train.Example]:
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    # The eager context is not touched: a graph-mode session may be all that this process is allowed.
    for record in islice(_records(files), ROWS):
        yield tf.train.Example.FromString(record)


def _records(files: list[str]) -> Iterator[bytes]:
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for path in files:
        yield from tf.compat.v1.io.tf_record_iterator(path, options)


def _plain(tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: _plain_value(value.tolist()) for name, value in sorted(tensors.items())}


def _plain_value(value: Any) -> Any:
    """Returns the value as JSON has it; bytes that are not UTF-8 as TensorFlow Serving's `{"b64": …}`."""
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _prediction_log(model: str, request: dict[str, np.ndarray]) -> prediction_log_pb2.PredictionLog:
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name = model
    predict.model_spec.signature_name = SIGNATURE
    for name, value in sorted(request.items()):
        predict.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=predict))
