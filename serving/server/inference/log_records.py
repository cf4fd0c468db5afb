"""A logged request as a line of JSON, and as TensorFlow Serving's PredictionLog."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import prediction_log_pb2

from hilir.serving.server.inference.signatures import Plan, read_classifications, read_regressions
from hilir.serving.server.servables.servable import Outputs
from hilir.serving.server.tensors.tensor_proto import to_proto

_REDACTED = "REDACTED"
# Larger tensors are described in the JSON log, not written out.
_MAX_ELEMENTS = 1 << 16
_STRING_BYTES = 64


@dataclass(frozen=True)
class Sample:
    """A request and what it was answered: what the request log writes."""

    plan: Plan
    outputs: Outputs
    method: str
    request_id: str
    label: str
    protocol: str
    microseconds: float
    time: float = field(default_factory=time.time)

    @property
    def model(self) -> str:
        """The model's name."""
        return self.plan.servable.name

    @property
    def size(self) -> int:
        """Bytes of its tensors."""
        return sum([_size(array) for array in (*self.plan.arrays, *self.outputs)])

    def json_line(self, redact: frozenset[str]) -> bytes:
        """One line of JSON; values of the names in `redact` are not in it."""
        entry = {
            "time": self.time,
            "request_id": self.request_id,
            "model": self.model,
            "version": self.plan.servable.version,
            "label": self.label,
            "signature": self.plan.signature,
            "method": self.method,
            "protocol": self.protocol,
            "microseconds": round(self.microseconds, 1),
            "inputs": _plain_inputs(self, redact),
            "outputs": _values(_outputs(self), redact),
        }
        return json.dumps(entry, separators=(",", ":")).encode() + b"\n"

    def prediction_log(self, redact: frozenset[str], rate: float) -> bytes:
        """A serialized PredictionLog; what `redact` names is left out of it."""
        return bytes(_prediction_log(self, redact, rate).SerializeToString())


def _size(array: np.ndarray) -> int:
    if array.dtype.kind != "O":
        return int(array.nbytes)
    return _STRING_BYTES * array.size + sum(map(len, array.reshape(-1).tolist()))


def _plain_inputs(sample: Sample, redact: frozenset[str]) -> Any:
    if sample.method == "predict":
        return _values(_inputs(sample), redact)
    return [_plain_example(serialized, redact) for serialized in sample.plan.arrays[0].tolist()]


def _plain_example(serialized: bytes, redact: frozenset[str]) -> dict[str, Any]:
    """A serialized tf.Example by feature, so that features can be redacted."""
    features = example_pb2.Example.FromString(serialized).features.feature
    plain: dict[str, Any] = {}
    for name, feature in features.items():
        kind = feature.WhichOneof("kind")
        values = (
            [_text(value) if kind == "bytes_list" else value for value in getattr(feature, kind).value] if kind else []
        )
        plain[name] = _REDACTED if name in redact else values
    return plain


def _inputs(sample: Sample) -> dict[str, np.ndarray]:
    signature = sample.plan.servable.signatures[sample.plan.signature]
    return dict(zip(signature.inputs, sample.plan.arrays, strict=False))


def _outputs(sample: Sample) -> dict[str, np.ndarray]:
    names = sample.plan.outputs or sample.plan.fetches
    return dict(zip(names, sample.outputs, strict=True))


def _values(arrays: Mapping[str, np.ndarray], redact: frozenset[str]) -> dict[str, Any]:
    return {name: _REDACTED if name in redact else _plain(array) for name, array in arrays.items()}


def _plain(array: np.ndarray) -> Any:
    if array.size > _MAX_ELEMENTS:
        return {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.dtype.kind == "O":
        flat = [_text(value) for value in array.reshape(-1).tolist()]
        plain: np.ndarray = np.empty(len(flat), dtype=object)
        plain[:] = flat
        return plain.reshape(array.shape).tolist()
    return array.astype(np.float64).tolist() if array.dtype.kind not in "iufb" else array.tolist()


def _text(value: Any) -> Any:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _prediction_log(sample: Sample, redact: frozenset[str], rate: float) -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    spec = log.log_metadata.model_spec
    spec.name = sample.plan.servable.name
    spec.signature_name = sample.plan.signature
    spec.version.value = sample.plan.servable.version
    log.log_metadata.sampling_config.sampling_rate = rate
    if sample.method == "predict":
        predict = log.predict_log
        predict.request.model_spec.CopyFrom(spec)
        predict.response.model_spec.CopyFrom(spec)
        for values, tensors in (
            (_inputs(sample), predict.request.inputs),
            (_outputs(sample), predict.response.outputs),
        ):
            for name in values.keys() - redact:
                tensors[name].CopyFrom(to_proto(values[name], as_content=True))
    else:
        _fill_examples_log(log, sample, redact)
    return log


def _fill_examples_log(log: Any, sample: Sample, redact: frozenset[str]) -> None:
    signature = sample.plan.servable.signatures[sample.plan.signature]
    tensors = dict(zip(sample.plan.fetches, sample.outputs, strict=True))
    target = log.classify_log if sample.method == "classify" else log.regress_log
    target.request.model_spec.CopyFrom(log.log_metadata.model_spec)
    target.response.model_spec.CopyFrom(log.log_metadata.model_spec)
    for serialized in sample.plan.arrays[0].tolist():
        example = target.request.input.example_list.examples.add()
        example.ParseFromString(serialized)
        for name in redact & example.features.feature.keys():
            del example.features.feature[name]
    if sample.method == "classify":
        for row in read_classifications(signature, tensors, sample.plan.examples):
            result = target.response.result.classifications.add()
            for label, score in row:
                result.classes.add(label=label.encode("utf-8", "replace").decode(), score=score)
        return
    for value in read_regressions(signature, tensors, sample.plan.examples).tolist():
        target.response.result.regressions.add(value=value)
