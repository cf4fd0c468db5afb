"""Large tensors are read where they lie in a PredictRequest; what protobuf reads of them is what is read here."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from hilir.serving.server.grpc.large_tensors import cut_large_tensors
from hilir.serving.server.status import StatusError
from hilir.serving.server.tensors.tensor_proto import from_proto, serialize, to_proto

NUMBERS = np.arange(40_000, dtype=np.float32).reshape(200, 200)


def typed(array: np.ndarray):
    proto = tf.make_tensor_proto(0.0, array.dtype, array.shape)
    field = proto.float_val if array.dtype == np.float32 else proto.double_val
    del field[:]
    field.extend(array.reshape(-1).tolist())
    return proto


def read(data: bytes) -> tuple[predict_pb2.PredictRequest, dict[str, np.ndarray], list[str]]:
    """The request as protobuf sees it, its inputs, and the names of those that were cut out."""
    rest, sent = cut_large_tensors(data)
    request = predict_pb2.PredictRequest.FromString(rest)
    inputs = {name: from_proto(proto, name, None, sent.get(name)) for name, proto in request.inputs.items()}
    return request, inputs, sorted(sent)


@pytest.mark.parametrize("proto", [tf.make_tensor_proto(NUMBERS), typed(NUMBERS), typed(NUMBERS.astype(np.float64))])
def test_long_numbers_are_cut_out_and_read_in_place(proto):
    request = predict_pb2.PredictRequest(output_filter=["y"])
    request.model_spec.name = "m"
    request.inputs["large"].CopyFrom(proto)
    request.inputs["small"].CopyFrom(tf.make_tensor_proto([1.0, 2.0]))
    data = request.SerializeToString()
    rest, inputs, cut = read(data)
    assert cut == ["large"]
    assert rest.ByteSize() < 200
    assert (rest.model_spec.name, list(rest.output_filter)) == ("m", ["y"])
    assert np.array_equal(inputs["large"], NUMBERS)
    assert inputs["large"].dtype == tf.as_dtype(proto.dtype)
    assert inputs["small"].tolist() == [1.0, 2.0]


def test_what_is_unusual_is_left_to_protobuf():
    request = predict_pb2.PredictRequest()
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(NUMBERS))
    twice = request.SerializeToString() * 2
    assert cut_large_tensors(twice) == (twice, {})
    both = predict_pb2.PredictRequest()
    both.inputs["x"].CopyFrom(typed(NUMBERS))
    both.inputs["x"].tensor_content = bytes(70_000)
    data = both.SerializeToString()
    assert cut_large_tensors(data) == (data, {})
    for damaged in (twice[:-1], bytes(100_000), b"\xff" * 100_000, b"\x12" + bytes((0xFF,)) * 9 + bytes(70_000)):
        assert cut_large_tensors(damaged) == (damaged, {})


def test_numbers_that_do_not_fit_the_shape_are_refused():
    request = predict_pb2.PredictRequest()
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(NUMBERS))
    request.inputs["x"].tensor_shape.dim[0].size = 201
    with pytest.raises(StatusError, match="tensor parsing error: x"):
        read(request.SerializeToString())


@pytest.mark.parametrize("array", [NUMBERS, NUMBERS.T, NUMBERS.astype(np.int64), NUMBERS[:0], np.float32([1, 2])])
@pytest.mark.parametrize("as_content", [False, True])
def test_outputs_in_pieces_are_the_tensor(array, as_content):
    proto = to_proto(array, as_content)
    assert bool(proto.tensor_content) == (as_content and array.size > 0)
    assert np.array_equal(tf.make_ndarray(proto), array)
    assert b"".join(serialize(array, as_content)) == proto.SerializeToString()
