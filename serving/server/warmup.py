"""Replaying a version's warm-up requests before it serves (saved_model_warmup.cc)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from hilir.serving.server.grpc import grpc_requests
from hilir.serving.server.inference.call import Prepared
from hilir.serving.server.servables.servable import Servable
from hilir.serving.server.status import Code, StatusError, invalid_argument
from hilir.serving.server.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MAX_RECORDS = 1000


def replay_warmup(servable: Servable, iterations: int, metrics: Metrics) -> None:
    """Run the records of a version's warm-up file, if it has one: nothing else touches a model before it serves.

    Raises:
        StatusError: a record is broken or fails, or there are too many: the load has failed then.
    """
    path = f"{servable.path}/{WARMUP_FILE}"
    if not tf.io.gfile.exists(path):
        return
    start = time.perf_counter()
    count = 0
    for record in _records(path):
        for _ in range(iterations):
            _run(servable, record)
        count += 1
        if count > MAX_RECORDS:
            raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
    spent = (time.perf_counter() - start) * 1e6
    metrics.warmup_latency.add(servable.path, "OK", value=spent)
    metrics.warmup_records.add(servable.path, "OK", amount=count)
    logger.info("replayed %d warm-up records of %s in %.0f ms", count, Path(servable.path), spent / 1e3)


def _records(path: str) -> Iterator[prediction_log_pb2.PredictionLog]:
    try:
        for data in tf.compat.v1.io.tf_record_iterator(path):
            try:
                yield prediction_log_pb2.PredictionLog.FromString(data)
            except DecodeError:
                raise invalid_argument(f"Failed to parse warmup record: {data!r} from {path}") from None
    except tf.errors.DataLossError as error:
        raise StatusError(
            Code.DATA_LOSS, f"{error.message}. Please verify your warmup data is in TFRecord format."
        ) from None


def _run(servable: Servable, record: prediction_log_pb2.PredictionLog) -> None:
    prepared = _prepare(servable, record)
    if prepared is not None:
        run = servable.prepare_run(prepared.plan.feeds, prepared.plan.fetches)
        prepared.encode(run(prepared.plan.arrays))


def _uncounted(_size: int) -> None:
    """A model's own records are no request: what they take is its business."""


def _prepare(servable: Servable, record: prediction_log_pb2.PredictionLog) -> Prepared | None:
    def hold(_model: str, _version: int | None, _label: str | None) -> Servable:
        """Whatever a record names: this version, which is not in service yet."""
        return servable

    kind = record.WhichOneof("log_type")
    # Recorded requests need not say for which model they were.
    if kind in ("predict_log", "classify_log", "regress_log"):
        getattr(record, kind).request.model_spec.SetInParent()
    match kind:
        case "predict_log":
            return grpc_requests.predict((record.predict_log.request, {}), hold, _uncounted, False, False)
        case "classify_log":
            return grpc_requests.classify(record.classify_log.request, hold, _uncounted, False)
        case "regress_log":
            return grpc_requests.regress(record.regress_log.request, hold, _uncounted, False)
        case "multi_inference_log":
            return grpc_requests.multi_inference(record.multi_inference_log.request, hold, _uncounted, False)
        case None:
            return None
    number = record.DESCRIPTOR.fields_by_name[kind].number
    raise StatusError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
