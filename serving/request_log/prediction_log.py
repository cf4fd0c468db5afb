"""TensorFlow Serving's own record of a request; importing this loads TensorFlow, which has the messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hilir.serving.request_log.request import Column, Request
from hilir.serving.server.output import quiet_tensorflow

with quiet_tensorflow():
    from google.protobuf.message import DecodeError
    from tensorflow.core.example import example_pb2
    from tensorflow_serving.apis import prediction_log_pb2

    from hilir.serving.server.tensors.tensor_proto import from_proto

_EXAMPLES = "examples"


def read(data: bytes, time: float) -> Request:
    """Returns a serialized PredictionLog as columns.

    Raises:
        DecodeError: it is not one.
    """
    log = prediction_log_pb2.PredictionLog.FromString(data)
    spec = log.log_metadata.model_spec
    inputs: Mapping[str, Column] = {}
    outputs: Mapping[str, Column] = {}
    is_sparse = log.WhichOneof("log_type") in ("classify_log", "regress_log")
    match log.WhichOneof("log_type"):
        case "predict_log":
            inputs = _read_tensors(log.predict_log.request.inputs)
            if set(inputs) == {_EXAMPLES}:
                inputs, is_sparse = split_examples(_serialized(inputs[_EXAMPLES])), True
            outputs = _read_tensors(log.predict_log.response.outputs)
            spec = _first(spec, log.predict_log.response.model_spec, log.predict_log.request.model_spec)
        case "classify_log":
            inputs = _read_input(log.classify_log.request.input)
            rows = log.classify_log.response.result.classifications
            outputs = {
                "scores": [[each.score for each in row.classes] for row in rows],
                "classes": [[each.label for each in row.classes] for row in rows],
            }
            spec = _first(spec, log.classify_log.response.model_spec, log.classify_log.request.model_spec)
        case "regress_log":
            inputs = _read_input(log.regress_log.request.input)
            outputs = {"outputs": [[each.value] for each in log.regress_log.response.result.regressions]}
            spec = _first(spec, log.regress_log.response.model_spec, log.regress_log.request.model_spec)
    rows_of = max((len(column) for column in (*inputs.values(), *outputs.values())), default=0)
    return Request(spec.name, int(spec.version.value), "", time, rows_of, inputs, outputs, is_sparse)


def split_examples(serialized: Iterable[Any]) -> dict[str, Column]:
    """Returns serialized tf.Examples as columns; what is not one has no value of any feature."""
    return _split([_parse(each) for each in serialized])


def _split(examples: Sequence[Any]) -> dict[str, Column]:
    rows = [
        {name: list(getattr(feature, feature.WhichOneof("kind") or "float_list").value) for name, feature in each}
        for each in (example.features.feature.items() for example in examples)
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, []) for row in rows] for name in names}


def _parse(serialized: Any) -> Any:
    try:
        return example_pb2.Example.FromString(serialized if isinstance(serialized, bytes) else b"")
    except DecodeError:
        return example_pb2.Example()


def _read_tensors(tensors: Mapping[str, Any]) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for name, proto in tensors.items():
        array = np.asarray(from_proto(proto, name))
        rows = array.reshape(1, 1) if array.ndim == 0 else array.reshape(len(array), -1)
        columns[name] = rows.tolist()
    return columns


def _read_input(given: Any) -> dict[str, Column]:
    """Returns the examples of a Classify or Regress request, the common context merged into each of them."""
    if given.WhichOneof("kind") == "example_list_with_context":
        context = given.example_list_with_context.context.features.feature
        merged = []
        for example in given.example_list_with_context.examples:
            whole = example_pb2.Example()
            for features in (context, example.features.feature):
                for name, feature in features.items():
                    whole.features.feature[name].CopyFrom(feature)
            merged.append(whole)
        return _split(merged)
    return _split(list(given.example_list.examples))


def _serialized(column: Column) -> list[Any]:
    return [value for row in column for value in row]


def _first(*specs: Any) -> Any:
    """Returns the first model spec that has a version; TensorFlow Serving fills only some of them."""
    return next((spec for spec in specs if spec.HasField("version")), specs[0])
