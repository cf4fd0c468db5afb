"""gRPC requests to plans, and outputs to gRPC responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    input_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from hilir.serving.server.inference.call import Hold, Prepared
from hilir.serving.server.inference.memory import EXAMPLE_COPIES, Take
from hilir.serving.server.inference.signatures import (
    CLASSIFY_METHOD,
    DEFAULT_SIGNATURE,
    REGRESS_METHOD,
    Classification,
    check_input_names,
    classify_tensors,
    find_examples_signature,
    find_predict_signature,
    plan_examples,
    plan_predict,
    read_classifications,
    read_regressions,
    regress_tensors,
)
from hilir.serving.server.servables.manager import ServerCore
from hilir.serving.server.servables.servable import Outputs, Servable, Signature, signature_map
from hilir.serving.server.status import Code, StatusError, invalid_argument
from hilir.serving.server.tensors.tensor_proto import Buffer, SentNumbers, entry, from_proto, serialize

_METADATA_FIELD = "signature_def"
# A float's own four bytes, three times: as the tensor's, the entry's and the response's.
_FLOAT_BYTES = 12
_UNREAD: np.ndarray = np.zeros(())
PredictMessage = tuple[predict_pb2.PredictRequest, Mapping[str, SentNumbers]]
"""A request, and by input the numbers that are not in it but where they came in."""


def _held(hold: Hold, spec: model_pb2.ModelSpec) -> Servable:
    version = spec.version.value if spec.HasField("version") else None
    label = spec.version_label if spec.HasField("version_label") else None
    return hold(spec.name, version, label)


def model_spec(spec: model_pb2.ModelSpec, servable: Servable) -> model_pb2.ModelSpec:
    """The ModelSpec of a response: the concrete version, the resolved signature."""
    result = model_pb2.ModelSpec(name=spec.name, signature_name=spec.signature_name or DEFAULT_SIGNATURE)
    result.version.value = servable.version
    return result


def _require_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")


def predict(message: PredictMessage, hold: Hold, take: Take, as_content: bool, check_method: bool) -> Prepared:
    """A Predict request.

    Raises:
        StatusError: with TensorFlow Serving's code and text.
    """
    request, sent = message
    _require_spec(request)
    servable = _held(hold, request.model_spec)
    signature = find_predict_signature(servable, request.model_spec.signature_name, rest=False)
    check_input_names(signature, request.inputs.keys())
    # Values of names that the signature does not know are never looked at.
    given = {
        alias: from_proto(proto, alias, take, sent.get(alias)) if alias in signature.inputs else _UNREAD
        for alias, proto in request.inputs.items()
    }
    plan = plan_predict(servable, signature, given, list(request.output_filter), check_method)

    def respond(outputs: Outputs) -> bytes:
        # PredictResponse is `map<string, TensorProto> outputs = 1; ModelSpec model_spec = 2`.
        rest = predict_pb2.PredictResponse(model_spec=model_spec(request.model_spec, servable))
        pieces: list[Buffer] = []
        for alias, array in zip(plan.outputs, outputs, strict=True):
            pieces += entry(alias, serialize(array, as_content))
        return b"".join((*pieces, rest.SerializeToString()))

    return Prepared(plan, respond, _FLOAT_BYTES)


def _examples(data: input_pb2.Input, take: Take) -> list[bytes]:
    match data.WhichOneof("kind"):
        case "example_list":
            return [example.SerializeToString() for example in data.example_list.examples]
        case "example_list_with_context":
            both = data.example_list_with_context
            context = both.context.SerializeToString()
            take(EXAMPLE_COPIES * len(context) * len(both.examples))
            return [context + example.SerializeToString() for example in both.examples]
    return []


def _prepare_examples(
    request: Any,
    hold: Hold,
    take: Take,
    tensors: Callable[[Signature, bool], tuple[str, list[str]]],
    respond: Callable[[Signature, dict[str, Any], int, model_pb2.ModelSpec], Any],
    check_method: bool,
) -> Prepared:
    _require_spec(request)
    servable = _held(hold, request.model_spec)
    signature = find_examples_signature(servable, request.model_spec.signature_name)
    feed, fetches = tensors(signature, check_method)
    plan = plan_examples(servable, signature.name, [feed], fetches, _examples(request.input, take))
    spec = model_spec(request.model_spec, servable)

    def finish(outputs: Outputs) -> bytes:
        tensors_by_name = dict(zip(fetches, outputs, strict=True))
        return bytes(respond(signature, tensors_by_name, plan.examples, spec).SerializeToString())

    return Prepared(plan, finish)


def classify(request: classification_pb2.ClassificationRequest, hold: Hold, take: Take, check_method: bool) -> Prepared:
    """A Classify request.

    Raises:
        StatusError: with TensorFlow Serving's code and text.
    """

    def respond(
        signature: Signature, tensors: dict[str, Any], count: int, spec: model_pb2.ModelSpec
    ) -> classification_pb2.ClassificationResponse:
        response = classification_pb2.ClassificationResponse(model_spec=spec)
        _fill_classes(response.result, read_classifications(signature, tensors, count))
        return response

    return _prepare_examples(request, hold, take, classify_tensors, respond, check_method)


def _fill_classes(result: classification_pb2.ClassificationResult, rows: list[Classification]) -> None:
    for row in rows:
        added = result.classifications.add()
        for label, score in row:
            added.classes.add(label=label.encode("utf-8", "replace").decode(), score=score)


def _fill_regressions(result: regression_pb2.RegressionResult, values: Any) -> None:
    for value in values.tolist():
        result.regressions.add(value=value)


def regress(request: regression_pb2.RegressionRequest, hold: Hold, take: Take, check_method: bool) -> Prepared:
    """A Regress request.

    Raises:
        StatusError: with TensorFlow Serving's code and text.
    """

    def respond(
        signature: Signature, tensors: dict[str, Any], count: int, spec: model_pb2.ModelSpec
    ) -> regression_pb2.RegressionResponse:
        response = regression_pb2.RegressionResponse(model_spec=spec)
        _fill_regressions(response.result, read_regressions(signature, tensors, count))
        return response

    return _prepare_examples(request, hold, take, regress_tensors, respond, check_method)


def multi_inference(
    request: inference_pb2.MultiInferenceRequest, hold: Hold, take: Take, check_method: bool
) -> Prepared:
    """A MultiInference request: several signatures of one model on the same examples (multi_inference.cc).

    Raises:
        StatusError: with TensorFlow Serving's code and text.
    """
    first = request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
    return _plan_tasks(_held(hold, first), request, take, check_method)


def _plan_tasks(
    servable: Servable, request: inference_pb2.MultiInferenceRequest, take: Take, check_method: bool
) -> Prepared:
    signatures: list[Signature] = []
    feeds: set[str] = set()
    fetches: set[str] = set()
    for task in request.tasks:
        signature = _task_signature(servable, request, task, [known.name for known in signatures])
        feed, outputs = _task_tensors(signature, task.method_name, check_method)
        signatures.append(signature)
        feeds.add(feed)
        fetches.update(outputs)
    plan = plan_examples(servable, signatures[0].name, sorted(feeds), sorted(fetches), _examples(request.input, take))

    def respond(outputs: Outputs) -> bytes:
        tensors = dict(zip(plan.fetches, outputs, strict=True))
        response = inference_pb2.MultiInferenceResponse()
        for task, signature in zip(request.tasks, signatures, strict=True):
            result = response.results.add(model_spec=model_spec(task.model_spec, servable))
            if task.method_name == CLASSIFY_METHOD:
                rows = read_classifications(signature, tensors, plan.examples)
                _fill_classes(result.classification_result, rows)
            else:
                _fill_regressions(result.regression_result, read_regressions(signature, tensors, plan.examples))
        return bytes(response.SerializeToString())

    return Prepared(plan, respond, _FLOAT_BYTES)


def _task_signature(
    servable: Servable, request: inference_pb2.MultiInferenceRequest, task: Any, seen: list[str]
) -> Signature:
    if not task.model_spec.name:
        raise invalid_argument("Found ModelSpec with an empty model name.")
    if task.model_spec.name != request.tasks[0].model_spec.name:
        raise invalid_argument("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
    name = task.model_spec.signature_name or DEFAULT_SIGNATURE
    if name in seen:
        raise invalid_argument(f"Duplicate evaluation of signature: {name}")
    if name not in servable.signatures:
        raise invalid_argument(f"Requested signature not found in model graph: {name}")
    return servable.signatures[name]


def _task_tensors(signature: Signature, method: str, check_method: bool) -> tuple[str, list[str]]:
    if method == CLASSIFY_METHOD:
        return classify_tensors(signature, check_method)
    if method == REGRESS_METHOD:
        return regress_tensors(signature, check_method)
    raise StatusError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {method}")


def metadata(
    core: ServerCore, request: get_model_metadata_pb2.GetModelMetadataRequest
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """A GetModelMetadata request (get_model_metadata_impl.cc).

    Raises:
        StatusError: no spec, a field other than signature_def, or no such servable.
    """
    _require_spec(request)
    if not request.metadata_field:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != _METADATA_FIELD:
            raise invalid_argument(f"Metadata field {field} is not supported")
    servable = _held(core.hold, request.model_spec)
    try:
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.metadata[_METADATA_FIELD].Pack(signature_map(servable))
        return response
    finally:
        servable.release()
