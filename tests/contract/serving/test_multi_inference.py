"""MultiInference of TensorFlow Serving's gRPC API (multi_inference_test.cc)."""

import grpc
import pytest
from tensorflow_serving.apis import inference_pb2

from tests.contract.serving.grpc_calls import examples, fails

HALF = "half_plus_two"
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def multi_request(*tasks):
    request = inference_pb2.MultiInferenceRequest()
    for name, signature, method in tasks:
        request.tasks.add(method_name=method).model_spec.name = name
        request.tasks[-1].model_spec.signature_name = signature
    return examples(request, 2.0)


def test_multi_inference(stub):
    request = multi_request((HALF, "regress_x_to_y", REGRESS), (HALF, "classify_x_to_y", CLASSIFY))
    results = stub.MultiInference(request, 5).results
    assert results[0].regression_result.regressions[0].value == 3.0
    assert results[1].classification_result.classifications[0].classes[0].score == 3.0
    assert [r.model_spec.signature_name for r in results] == ["regress_x_to_y", "classify_x_to_y"]
    assert {r.model_spec.version.value for r in results} == {123}


@pytest.mark.parametrize(
    ("tasks", "code", "message"),
    [
        ([], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (
            [(HALF, "regress_x_to_y", REGRESS)] * 2,
            "INVALID_ARGUMENT",
            "Duplicate evaluation of signature: regress_x_to_y",
        ),
        (
            [(HALF, "regress_x_to_y", REGRESS), ("half_plus_three", "classify_x_to_y", CLASSIFY)],
            "INVALID_ARGUMENT",
            "must access the same model name",
        ),
        (
            [(HALF, "regress_x_to_y", REGRESS), ("", "classify_x_to_y", CLASSIFY)],
            "INVALID_ARGUMENT",
            "empty model name",
        ),
        ([(HALF, "nope", REGRESS)], "INVALID_ARGUMENT", "Requested signature not found in model graph: nope"),
        (
            [(HALF, "serving_default", "tensorflow/serving/predict")],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: ",
        ),
    ],
)
def test_multi_inference_errors(stub, tasks, code, message):
    fails(stub.MultiInference, multi_request(*tasks), getattr(grpc.StatusCode, code), message)
