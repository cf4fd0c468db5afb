"""PredictionService and ModelService over gRPC (prediction_service_impl.cc, model_service_impl.cc)."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
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
from hilir.serving.server.grpc.grpc_requests import Prepared
from hilir.serving.server.inference.executor import Executor
from hilir.serving.server.inference.log_records import Sample
from hilir.serving.server.servables.manager import ServerCore
from hilir.serving.server.servables.servable import Outputs, Servable
from hilir.serving.server.status import Code, StatusError, invalid_argument
from hilir.serving.server.telemetry.metrics import Counter, Metrics
from hilir.serving.server.telemetry.request_log import NoLog, RequestLog

logger = logging.getLogger(__name__)
_LARGE_REQUEST = 64 << 10
Context = Any
Method = Callable[[bytes, Context], Awaitable[bytes]]


class GrpcApi:
    """Handlers of both services.

    Args:
        as_content: outputs in `tensor_content` (`--enable_serialization_as_tensor_content`).
        check_method: `--enable_signature_method_name_check`.
    """

    def __init__(
        self,
        core: ServerCore,
        executor: Executor,
        metrics: Metrics,
        *,
        as_content: bool = False,
        check_method: bool = False,
        max_in_flight: int = 1024,
        log: RequestLog | NoLog | None = None,
    ) -> None:
        self.core = core
        self.executor = executor
        self.metrics = metrics
        self.as_content = as_content
        self.check_method = check_method
        self.max_in_flight = max_in_flight
        self.log = log or NoLog()
        self.in_flight = 0
        self._ids = itertools.count()
        self._id_prefix = secrets.token_hex(6)

    def methods(self) -> dict[str, Method]:
        """Every method by its full name: bytes in, bytes out."""
        prediction: dict[str, tuple[Any, Any]] = {
            "Predict": (predict_pb2.PredictRequest, self.predict),
            "Classify": (classification_pb2.ClassificationRequest, self.classify),
            "Regress": (regression_pb2.RegressionRequest, self.regress),
            "MultiInference": (inference_pb2.MultiInferenceRequest, self.multi_inference),
            "GetModelMetadata": (get_model_metadata_pb2.GetModelMetadataRequest, self.get_metadata),
        }
        model: dict[str, tuple[Any, Any]] = {
            "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, self.get_status),
            "HandleReloadConfigRequest": (model_management_pb2.ReloadConfigRequest, self.reload),
        }
        named = {f"/tensorflow.serving.PredictionService/{name}": pair for name, pair in prediction.items()}
        named |= {f"/tensorflow.serving.ModelService/{name}": pair for name, pair in model.items()}
        return {name: partial(_invoke, kind, method) for name, (kind, method) in named.items()}

    async def predict(self, request: predict_pb2.PredictRequest, context: Context) -> bytes:
        """PredictionService.Predict."""

        def prepare() -> Prepared:
            return grpc_requests.predict(self.core, request, self.as_content, self.check_method)

        large = request.ByteSize() > _LARGE_REQUEST
        return await self._infer("Predict", request, prepare, context, on_thread=large)

    async def classify(self, request: classification_pb2.ClassificationRequest, context: Context) -> bytes:
        """PredictionService.Classify."""
        return await self._infer(
            "Classify", request, lambda: grpc_requests.classify(self.core, request, self.check_method), context
        )

    async def regress(self, request: regression_pb2.RegressionRequest, context: Context) -> bytes:
        """PredictionService.Regress."""
        return await self._infer(
            "Regress", request, lambda: grpc_requests.regress(self.core, request, self.check_method), context
        )

    async def multi_inference(self, request: inference_pb2.MultiInferenceRequest, context: Context) -> bytes:
        """PredictionService.MultiInference; it counts in no metric of TensorFlow Serving's but the examples'."""
        prepared = grpc_requests.multi_inference(self.core, request, self.check_method)
        response = await self._run(prepared, context)
        model = prepared.plan.servable.name
        self.metrics.example_counts.add(model, value=prepared.plan.examples)
        self.metrics.example_count_total.add(model, amount=prepared.plan.examples)
        return response[0]

    async def _infer(
        self,
        api: str,
        request: Any,
        prepare: Callable[[], Prepared],
        context: Context,
        on_thread: bool = False,
    ) -> bytes:
        start = time.perf_counter()
        model = request.model_spec.name
        label = self.metrics.model_label(model, model in self.core.lifecycle.models)
        version = ""
        try:
            if on_thread:
                loop = asyncio.get_running_loop()
                prepared = await loop.run_in_executor(self.executor.pool, prepare)
            else:
                prepared = prepare()
            version = str(prepared.plan.servable.version)
            response, outputs = await self._run(prepared, context)
        except StatusError as error:
            self.metrics.request_count.add(label, error.code.name)
            self.metrics.version_requests.add(label, version, "", api.lower(), "GRPC", error.code.name)
            raise
        spent = (time.perf_counter() - start) * 1e6
        self.metrics.request_count.add(label, "OK")
        self.metrics.request_latency.add(label, api, "GRPC", value=spent)
        name = request.model_spec.version_label or self.core.table.current.label_of(model, int(version))
        self.metrics.version_requests.add(label, version, name, api.lower(), "GRPC", "OK")
        self.metrics.version_latency.add(label, version, name, "GRPC", value=spent)
        if self.log.wants(model):
            request_id = f"{self._id_prefix}-{next(self._ids):x}"
            self.log.offer(Sample(prepared.plan, outputs, api.lower(), request_id, name, "GRPC", spent))
        return response

    async def _run(self, prepared: Prepared, context: Context) -> tuple[bytes, Outputs]:
        """Run what was prepared, within the client's deadline, and let go of the version afterwards."""
        servable = prepared.plan.servable
        if self.in_flight >= self.max_in_flight:
            servable.release()
            self.metrics.rejected.add("in_flight")
            raise StatusError(Code.UNAVAILABLE, "Too many requests are in progress; try again")
        self.in_flight += 1
        started = time.perf_counter()
        future: asyncio.Future[Outputs] | None = None
        try:
            result = self.executor.run(prepared.plan)
            if isinstance(result, list):
                outputs = result
            else:
                future = result
                outputs = await _within_deadline(future, context)
            runtime = (time.perf_counter() - started) * 1e6
            self.metrics.runtime_latency.add(servable.name, prepared.api, "TF1", value=runtime)
            return prepared.respond(outputs), outputs
        finally:
            self.in_flight -= 1
            if future is None or future.done():
                servable.release()
            else:
                # A run that nobody waits for any more still uses the version until it ends.
                future.add_done_callback(partial(_let_go, servable))

    async def get_metadata(self, request: get_model_metadata_pb2.GetModelMetadataRequest, _context: Context) -> bytes:
        """PredictionService.GetModelMetadata."""
        return bytes(grpc_requests.metadata(self.core, request).SerializeToString())

    async def get_status(self, request: get_model_status_pb2.GetModelStatusRequest, _context: Context) -> bytes:
        """ModelService.GetModelStatus."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec: model_pb2.ModelSpec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, entry in self.core.status(spec.name, version):
            added = response.model_version_status.add(version=number, state=int(entry.state))
            added.status.error_code = int(entry.code)
            added.status.error_message = entry.message
        return bytes(response.SerializeToString())

    async def reload(self, request: model_management_pb2.ReloadConfigRequest, context: Context) -> bytes:
        """ModelService.HandleReloadConfigRequest: replaces the configuration, waits for new models."""
        before = self._metric_values(request)
        response = model_management_pb2.ReloadConfigResponse()
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        timeout = context.time_remaining()
        await asyncio.to_thread(self.core.reload, request.config, True, timeout)
        for name, value in self._metric_values(request).items():
            response.metric.add(name=name, int64_value_increase=value - before.get(name, 0))
        response.status.error_code = 0
        return bytes(response.SerializeToString())

    def _metric_values(self, request: model_management_pb2.ReloadConfigRequest) -> dict[str, int]:
        values: dict[str, int] = {}
        for name in request.metric_names:
            metric = self.metrics.find(name)
            values[name] = metric.total() if isinstance(metric, Counter) else 0
        return values


def _let_go(servable: Servable, future: asyncio.Future[Outputs]) -> None:
    if not future.cancelled():
        future.exception()
    servable.release()


async def _within_deadline(future: asyncio.Future[Outputs], context: Context) -> Outputs:
    seconds = context.time_remaining()
    if seconds is None:
        return await asyncio.shield(future)
    try:
        async with asyncio.timeout(max(seconds, 0.0)):
            return await asyncio.shield(future)
    except TimeoutError:
        raise StatusError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification") from None


async def _invoke(
    kind: Any, method: Callable[[Any, Context], Awaitable[bytes]], data: bytes, context: Context
) -> bytes:
    """Parse, call; what can't be parsed gets an answer in words, not gRPC's INTERNAL.

    Raises:
        StatusError: the call's status.
    """
    try:
        request = kind.FromString(data)
    except DecodeError:
        raise invalid_argument(f"Not a {kind.DESCRIPTOR.full_name}") from None
    try:
        return await method(request, context)
    except StatusError:
        raise
    except Exception as error:
        logger.exception("%s failed", kind.DESCRIPTOR.full_name)
        raise StatusError(Code.INTERNAL, f"Internal error: {type(error).__name__}") from None
