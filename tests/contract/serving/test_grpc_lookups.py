"""What gRPC clients ask besides inference: metadata, status, configuration, health, deadlines."""

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
)

from tests.contract.serving.grpc_calls import HALF, fails, predict_request


def test_metadata(stub):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = HALF
    result = stub.GetModelMetadata(request, 5)
    assert (result.model_spec.name, result.model_spec.version.value) == (HALF, 123)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert result.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].inputs["x"].name == "x:0"


def test_metadata_errors(stub):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    code = grpc.StatusCode.INVALID_ARGUMENT
    fails(stub.GetModelMetadata, request, code, "Missing ModelSpec")
    request.model_spec.name = HALF
    fails(stub.GetModelMetadata, request, code, "GetModelMetadataRequest must specify at least one metadata_field")
    request.metadata_field.append("some_stuff")
    fails(stub.GetModelMetadata, request, code, "Metadata field some_stuff is not supported")
    request.metadata_field[:] = ["signature_def"]
    request.model_spec.name = ""
    fails(stub.GetModelMetadata, request, code, "ModelSpec has no name specified.")
    request.model_spec.name = "foo"
    fails(stub.GetModelMetadata, request, grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(foo)")


def test_status(model_stub):
    request = get_model_status_pb2.GetModelStatusRequest()
    fails(model_stub.GetModelStatus, request, grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")
    request.model_spec.name = HALF
    (status,) = model_stub.GetModelStatus(request, 5).model_version_status
    assert (status.version, status.state, status.status.error_code) == (123, 30, 0)
    request.model_spec.version.value = 9
    fails(
        model_stub.GetModelStatus, request, grpc.StatusCode.NOT_FOUND, "Could not find version 9 of model half_plus_two"
    )
    request.model_spec.name = "foo"
    request.model_spec.ClearField("version")
    fails(model_stub.GetModelStatus, request, grpc.StatusCode.NOT_FOUND, "Could not find any versions of model foo")


def test_reload_refuses_other_configs(model_stub):
    request = model_management_pb2.ReloadConfigRequest()
    message = "Only ModelConfigList is currently supported"
    fails(model_stub.HandleReloadConfigRequest, request, grpc.StatusCode.INVALID_ARGUMENT, message)


def test_health(grpc_served):
    with grpc_served.channel() as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=30) == b"\x08\x01"
        service = b"\x0a\x11PredictionService"
        assert check(service, timeout=30) == b"\x08\x01"
        fails(check, b"\x0a\x01x", grpc.StatusCode.NOT_FOUND, "unknown service")


def test_metrics_of_grpc(grpc_served, stub):
    stub.Predict(predict_request(x=np.float32([2.0])), 5)
    page = grpc_served.get("/monitoring/prometheus/metrics").text
    assert (
        ':tensorflow:serving:request_latency_count{model_name="half_plus_two",API="Predict",entrypoint="GRPC"}' in page
    )


def test_deadline_ends_a_slow_run(stub):
    request = predict_request(name="shapes", signature="slow", n=np.int64([300]))
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
