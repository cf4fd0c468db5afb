"""TensorFlow Serving's gRPC API, case by case (predict_util_test.cc, multi_inference_test.cc and others)."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (
    classification_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.contract.serving.grpc_calls import HALF, examples, fails, predict_request


def test_predict(stub):
    result = stub.Predict(predict_request(x=np.float32([2.0])), 5)
    assert list(result.outputs) == ["y"]
    assert list(result.outputs["y"].float_val) == [3.0]
    assert result.outputs["y"].tensor_content == b""
    assert result.model_spec.name == HALF
    assert result.model_spec.version.value == 123
    assert result.model_spec.signature_name == "serving_default"


@pytest.mark.parametrize("choice", [{"version": 123}, {"label": "stable"}])
def test_predict_by_version_or_label(stub, choice):
    assert list(stub.Predict(predict_request(x=np.float32([2.0]), **choice), 5).outputs["y"].float_val) == [3.0]


def test_predict_takes_any_kind_of_signature(stub):
    result = stub.Predict(predict_request(signature="regress_x2_to_y3", inputs=np.float32([[1.0]])), 5)
    assert list(result.outputs["outputs"].float_val) == [3.5]
    assert result.model_spec.signature_name == "regress_x2_to_y3"


def test_tensor_content_and_typed_values_are_the_same(stub):
    content = tf.make_tensor_proto(np.float32([1, 2]))
    typed = text_format.Parse(
        "dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: 1 float_val: 2", type(content)()
    )
    one = text_format.Parse("dtype: DT_FLOAT tensor_shape { dim { size: 3 } } float_val: 4", type(content)())
    assert content.tensor_content
    assert not typed.tensor_content
    answers = [list(stub.Predict(predict_request(x=x), 5).outputs["y"].float_val) for x in (content, typed, one)]
    assert answers == [[2.5, 3.0], [2.5, 3.0], [4.0, 4.0, 4.0]]


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (predict_request(name="", version=1), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (predict_request(name="test"), "NOT_FOUND", "Servable not found for request: Latest(test)"),
        (predict_request(version=9), "NOT_FOUND", "Servable not found for request: Specific(half_plus_two, 9)"),
        (predict_request(label="nope"), "INVALID_ARGUMENT", "Unrecognized servable version label: nope"),
        (predict_request(signature="nope"), "FAILED_PRECONDITION", 'Serving signature key "nope" not found.'),
        (
            predict_request(),
            "INVALID_ARGUMENT",
            "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
        ),
        (
            predict_request(a=np.float32([1]), b=np.float32([1])),
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1 len({a,b}) != len({x}). Sent extra: {a,b}. "
            "Missing but required: {x}.",
        ),
        (
            predict_request(z=np.float32([1])),
            "INVALID_ARGUMENT",
            "Signature input alias: x(feed name: x:0) not found in request and no default value provided.",
        ),
        (
            predict_request(x=np.float32([1]), outputs=["z"]),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
        ),
        (
            predict_request(x=np.float32([1]), outputs=["y", "y"]),
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: y",
        ),
        (
            predict_request(x=np.array([b"a"])),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be float but string is provided",
        ),
        (predict_request(x=np.array([True])), "INVALID_ARGUMENT", "to be float but bool is provided"),
        (
            predict_request(
                x=text_format.Parse(
                    "dtype: DT_FLOAT tensor_shape { dim { size: 3 } } tensor_content: 'abc'",
                    tf.make_tensor_proto(0.0).__class__(),
                )
            ),
            "INVALID_ARGUMENT",
            "tensor parsing error: x",
        ),
        (
            predict_request(
                x=text_format.Parse(
                    "dtype: DT_FLOAT tensor_shape { dim { size: 99999999 } dim { size: 99999999 } } float_val: 1",
                    tf.make_tensor_proto(0.0).__class__(),
                )
            ),
            "RESOURCE_EXHAUSTED",
            "all requests together may hold",
        ),
        (
            predict_request(
                x=text_format.Parse(
                    f"dtype: DT_FLOAT tensor_shape {{ dim {{ size: {2**62} }} dim {{ size: 2 }} }} float_val: 1",
                    tf.make_tensor_proto(0.0).__class__(),
                )
            ),
            "INVALID_ARGUMENT",
            "tensor parsing error: x",
        ),
    ],
)
def test_predict_errors(stub, request_, code, message):
    fails(stub.Predict, request_, getattr(grpc.StatusCode, code), message)


def test_long_messages_are_cut(stub):
    inputs = {f"input_{i:03}": np.float32([1]) for i in range(100)}
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(predict_request(**inputs), 5)
    assert len(caught.value.details()) == 1024 + len("...TRUNCATED")
    assert caught.value.details().endswith("...TRUNCATED")


def test_bytes_that_are_no_message(grpc_served):
    with grpc_served.channel() as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        fails(call, b"\xff\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, "Not a tensorflow.serving.PredictRequest")


def test_every_dtype_goes_round(stub):
    for value in (
        np.float64([0.1]),
        np.int8([-5]),
        np.uint8([200]),
        np.int16([-300]),
        np.int32([7]),
        np.int64([2**40]),
        np.uint32([2**32 - 1]),
        np.uint64([2**64 - 1]),
        np.array([True]),
        np.float16([0.5]),
    ):
        result = stub.Predict(predict_request(name="shapes", signature=f"echo_{value.dtype.name}", x=value), 5)
        back = tf.make_ndarray(result.outputs["x"])
        assert back.dtype == value.dtype
        assert back.tolist() == value.tolist()


def test_strings_and_scalars(stub):
    text = stub.Predict(predict_request(name="shapes", signature="strings", text=np.array([[b"\xff", b"a"]])), 5)
    assert list(text.outputs["text"].string_val) == [b"\xff", b"a"]
    total = stub.Predict(predict_request(name="shapes", signature="total", x=np.float32([1, 2])), 5)
    assert tf.make_ndarray(total.outputs["total"]) == 3.0


def test_classify(stub):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = HALF
    request.model_spec.signature_name = "classify_x_to_y"
    result = stub.Classify(examples(request, 2.0, 20.0), 5)
    assert [[(c.label, c.score) for c in row.classes] for row in result.result.classifications] == [
        [("", 3.0)],
        [("", 12.0)],
    ]
    assert result.model_spec.signature_name == "classify_x_to_y"
    assert result.model_spec.version.value == 123


def test_regress_with_context(stub):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name = HALF
    request.model_spec.signature_name = "regress_x_to_y"
    both = request.input.example_list_with_context
    both.context.features.feature["x"].float_list.value.append(10.0)
    both.examples.add()
    both.examples.add().features.feature["x"].float_list.value.append(2.0)
    assert [r.value for r in stub.Regress(request, 5).result.regressions] == [7.0, 3.0]


def test_examples_errors(stub):
    request = regression_pb2.RegressionRequest()
    fails(stub.Regress, request, grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")
    request.model_spec.name = HALF
    request.model_spec.signature_name = "regress_x_to_y"
    fails(stub.Regress, request, grpc.StatusCode.INVALID_ARGUMENT, "Input is empty.")
    request.model_spec.signature_name = "nope"
    fails(stub.Regress, request, grpc.StatusCode.INVALID_ARGUMENT, "No signature was found with the name: nope")
    request.model_spec.signature_name = "regress_x2_to_y3"
    fails(
        stub.Regress,
        examples(request, 1.0),
        grpc.StatusCode.INVALID_ARGUMENT,
        "Expects arg[0] to be float but string is provided",
    )
    request.model_spec.signature_name = "regress_x_to_y"
    del request.input.example_list.examples[:]
    message = "Name: <unknown>, Feature: x (data type: float) is required but could not be found"
    fails(stub.Regress, examples(request, 1.0, feature="other"), grpc.StatusCode.INVALID_ARGUMENT, message)
