"""PredictionService and ModelService over gRPC (prediction_service_impl.cc, model_service_impl.cc)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from hilir.serving.server.grpc import grpc_requests
from hilir.serving.server.grpc.grpc_call import CallContext, Method
from hilir.serving.server.grpc.large_tensors import cut_large_tensors
from hilir.serving.server.grpc.message_size import parsed_size
from hilir.serving.server.inference.call import Answer, Call, Hold, Prepared
from hilir.serving.server.inference.memory import Take
from hilir.serving.server.inference.service import InferenceService
from hilir.serving.server.servables.manager import ServerCore
from hilir.serving.server.status import Code, StatusError, invalid_argument
from hilir.serving.server.telemetry.metrics import Counter, Metrics

_PREDICTION, _MODEL = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
_SMALL_MESSAGE = 1 << 20
# The array of numbers that are not aligned where they came, and TensorFlow's tensor.
_COPIES = 2
Read = Callable[[bytes, Take], Any]
Prepare = Callable[[Any, Hold, Take], Prepared]


class GrpcApi:
    """Handlers of both services.

    Args:
        service: runs inference requests.
        as_content: outputs in `tensor_content` (`--enable_serialization_as_tensor_content`).
        check_method: `--enable_signature_method_name_check`.
    """

    def __init__(
        self,
        core: ServerCore,
        service: InferenceService,
        metrics: Metrics,
        *,
        as_content: bool = False,
        check_method: bool = False,
    ) -> None:
        self.core = core
        self._service = service
        self._metrics = metrics
        self._as_content = as_content
        self._check_method = check_method

    def methods(self) -> dict[str, Method]:
        """Every method by its full name: bytes in, an answer out."""
        check = self._check_method
        predict = partial(grpc_requests.predict, as_content=self._as_content, check_method=check)
        classify = partial(grpc_requests.classify, check_method=check)
        regress = partial(grpc_requests.regress, check_method=check)
        multi = partial(grpc_requests.multi_inference, check_method=check)
        return {
            _PREDICTION + "Predict": self._inference("predict", _read_predict, predict),
            _PREDICTION + "Classify": self._inference(
                "classify", partial(_read, classification_pb2.ClassificationRequest), classify
            ),
            _PREDICTION + "Regress": self._inference(
                "regress", partial(_read, regression_pb2.RegressionRequest), regress
            ),
            _PREDICTION + "MultiInference": self._inference(
                "multi_inference", partial(_read, inference_pb2.MultiInferenceRequest), multi
            ),
            _PREDICTION + "GetModelMetadata": self._get_metadata,
            _MODEL + "GetModelStatus": self._get_status,
            _MODEL + "HandleReloadConfigRequest": self._reload,
        }

    def _inference(self, method: str, read: Read, prepare: Prepare) -> Method:
        def decode(data: bytes, hold: Hold, take: Take) -> Prepared:
            return prepare(read(data, take), hold, take)

        def infer(data: bytes, context: CallContext) -> Answer | asyncio.Future[Answer]:
            seconds = context.time_remaining()
            prepare_call = partial(decode, data)
            call = Call("GRPC", method, context.request_id, len(data), seconds, prepare_call)
            call.traceparent = context.traceparent
            return self._service.infer(call)

        return infer

    def _get_metadata(self, data: bytes, _context: CallContext) -> Answer:
        request = _parse_small(get_model_metadata_pb2.GetModelMetadataRequest, data)
        return Answer(grpc_requests.metadata(self.core, request).SerializeToString())

    def _get_status(self, data: bytes, _context: CallContext) -> Answer:
        request = _parse_small(get_model_status_pb2.GetModelStatusRequest, data)
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec: model_pb2.ModelSpec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, entry in self.core.status(spec.name, version):
            added = response.model_version_status.add(version=number, state=int(entry.state))
            added.status.error_code = int(entry.code)
            added.status.error_message = entry.message
        return Answer(response.SerializeToString())

    async def _reload(self, data: bytes, context: CallContext) -> Answer:
        """Replaces the configuration, and waits for new models."""
        request = _parse_small(model_management_pb2.ReloadConfigRequest, data)
        before = self._metric_values(request)
        response = model_management_pb2.ReloadConfigResponse()
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        await asyncio.to_thread(self.core.reload, request.config, True, context.time_remaining())
        for name, value in self._metric_values(request).items():
            response.metric.add(name=name, int64_value_increase=value - before.get(name, 0))
        response.status.error_code = 0
        return Answer(response.SerializeToString())

    def _metric_values(self, request: model_management_pb2.ReloadConfigRequest) -> dict[str, int]:
        values: dict[str, int] = {}
        for name in request.metric_names:
            metric = self._metrics.find(name)
            values[name] = metric.total() if isinstance(metric, Counter) else 0
        return values


def _read_predict(data: bytes, take: Take) -> grpc_requests.PredictMessage:
    rest, sent = cut_large_tensors(data)
    take(_COPIES * sum([len(numbers.data) for numbers in sent.values()]))
    return _read(predict_pb2.PredictRequest, rest, take), sent


def _read(kind: Any, data: bytes, take: Take) -> Any:
    """A message, after what it becomes has been counted."""
    take(parsed_size(kind.DESCRIPTOR, data))
    return _parse(kind, data)


def _parse_small(kind: Any, data: bytes) -> Any:
    """A message that carries no tensors, parsed on the event loop.

    Raises:
        StatusError: it is larger than such a message has to be, or not one.
    """
    if len(data) > _SMALL_MESSAGE:
        name = kind.DESCRIPTOR.full_name
        raise StatusError(Code.RESOURCE_EXHAUSTED, f"A {name} may have {_SMALL_MESSAGE} bytes, not {len(data)}")
    return _parse(kind, data)


def _parse(kind: Any, data: bytes) -> Any:
    """A message; what is none gets an answer in words, not gRPC's INTERNAL.

    Raises:
        StatusError: the bytes are no such message.
    """
    try:
        return kind.FromString(data)
    except DecodeError:
        raise invalid_argument(f"Not a {kind.DESCRIPTOR.full_name}") from None
