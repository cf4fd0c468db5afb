"""What the gateway makes of gRPC messages: byte by byte, as a replica receives them."""

import itertools
import json

import grpc
import pytest
import requests
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from hilir.serving.release import transitions
from hilir.serving.releases.split import choose_label
from hilir.serving.releases.state import State
from tests.integration.gateway.conftest import MODEL
from tests.integration.gateway.recorder import SERVICE, recording, sending
from tests.integration.release.place import gateway_running
from tests.integration.serving.server_process import wait_until

KEYS = {choose_label(f"{MODEL}-2", key, 30): key for key in map("key-{}".format, range(50))}
VERSIONS = {"stable": 1, "candidate": 2}
LARGE = 2**53 + 1
_numbers = itertools.count()


def spec(**fields) -> bytes:
    """A `model_spec` as field 1."""
    version = fields.pop("version", None)
    found = model_pb2.ModelSpec(**fields)
    if version is not None:
        found.version.value = version
    return predict_pb2.PredictRequest(model_spec=found).SerializeToString()


def inputs(count: int = 1) -> bytes:
    """The rest of a request."""
    request = predict_pb2.PredictRequest(output_filter=["y"])
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_content = b"\x0a\x12\x08\xff" * count
    return request.SerializeToString()


@pytest.fixture(scope="module")
def send(recorded):
    """Sends bytes through the gateway; returns what the replica received, and the call."""
    place, recorder = recorded
    with grpc.insecure_channel(place.settings.listen, [("grpc.max_send_message_length", -1)]) as channel:

        def call(message: bytes, method: str = "Predict", **metadata: str):
            name = f"message-{next(_numbers)}"
            pairs = [("x-request-id", name), *((key.replace("_", "-"), value) for key, value in metadata.items())]
            _, told = channel.unary_unary(SERVICE + method).with_call(message, metadata=pairs, timeout=30)
            (received,) = recorder.of_request(name)
            assert received.metadata["content-length"] == str(5 + len(received.message))
            return received, told

        yield call


def test_the_chosen_version_is_added_and_nothing_else_changes(send):
    for label, key in KEYS.items():
        given = spec(name=MODEL, signature_name="other") + inputs()
        received, told = send(given, x_user_key=key)
        wanted = predict_pb2.PredictRequest.FromString(given)
        wanted.model_spec.version.value = VERSIONS[label]
        assert predict_pb2.PredictRequest.FromString(received.message) == wanted
        assert received.message.endswith(given)
        headers = dict(told.initial_metadata())
        assert (headers["x-model-version"], headers["x-model-label"]) == (str(VERSIONS[label]), label)


def test_a_key_in_binary_metadata_is_the_same_key(send):
    for key in ("Ärger", "用户", "ключ-7", "é", "ab", "abc", "abcd"):
        received, _ = send(spec(name=MODEL), x_user_key_bin=key.encode())
        label = choose_label(f"{MODEL}-2", key, 30)
        assert predict_pb2.PredictRequest.FromString(received.message).model_spec.version.value == VERSIONS[label]


@pytest.mark.parametrize(
    ("message", "version"),
    [
        (spec(name=MODEL, version_label="stable"), 1),
        (spec(name=MODEL, version_label="candidate") + inputs(), 2),
        (inputs() + spec(version_label="candidate") + spec(name=MODEL), 2),
        # Of a repeated field that can have one of two values the later value counts.
        (spec(name=MODEL, version=9) + spec(version_label="stable"), 1),
        (spec(name="first") + inputs() + spec(name=MODEL, version_label="candidate"), 2),
        # Fields that nobody knows: a varint, 8 and 4 bytes, a string.
        (b"\x98\x06\x96\x01\xa1\x06abcdefgh\xad\x06abcd\xb2\x06\x02ab" + spec(name=MODEL, version_label="stable"), 1),
    ],
)
def test_labels_of_a_release_become_versions(send, message, version):
    received, _ = send(message)
    found = predict_pb2.PredictRequest.FromString(received.message)
    wanted = predict_pb2.PredictRequest.FromString(message)
    assert (found.model_spec.version_label, found.model_spec.version.value) == ("", version)
    wanted.model_spec.version.value = version
    assert found == wanted


@pytest.mark.parametrize(
    "message",
    [
        spec(name=MODEL, version=9) + inputs(),
        spec(name=MODEL, version=LARGE),
        spec(name=MODEL, version=-1),
        spec(name=MODEL) + inputs() + spec(version=1),
        # Set, and 0: the field is there.
        b"\x0a\x06\x0a\x04" + MODEL.encode() + b"\x0a\x02\x12\x00",
        spec(name=MODEL, version_label="other"),
        spec(name=MODEL, version_label=""),
        spec(name="first") + inputs(),
        spec(name="nobody"),
        spec(name=f"{MODEL}\r\nx-model-label: candidate"),
        spec(name="x" * 70_000),
        inputs(),
        b"",
        b"\xff",
        spec(name=MODEL)[:-1],
        b"\x0a\x7f",
        b"\x0b",
    ],
    ids=range(17),
)
def test_what_leaves_no_choice_arrives_as_it_was_sent(send, message):
    received, _ = send(message, x_user_key=KEYS["candidate"])
    assert received.message == message


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [("stable", "version", 1), ("candidate", "version", 2), ("other", "version_label", "other")],
)
def test_a_label_in_the_metadata_counts_where_the_message_has_none(send, given, name, value):
    for message, chosen in ((spec(name=MODEL), True), (spec(name=MODEL, version=7), False)):
        received, _ = send(message, x_model_label=given)
        found = predict_pb2.PredictRequest.FromString(received.message).model_spec
        seen = found.version_label if name == "version_label" and chosen else found.version.value
        assert seen == (value if chosen else 7)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("Classify", classification_pb2.ClassificationRequest),
        ("Regress", regression_pb2.RegressionRequest),
        ("GetModelMetadata", get_model_metadata_pb2.GetModelMetadataRequest),
    ],
)
def test_every_method_is_split(send, method, kind):
    request = kind()
    request.model_spec.name = MODEL
    for label, key in KEYS.items():
        received, _ = send(request.SerializeToString(), method, x_user_key=key)
        wanted = kind()
        wanted.CopyFrom(request)
        wanted.model_spec.version.value = VERSIONS[label]
        assert kind.FromString(received.message) == wanted


@pytest.mark.parametrize("label", [None, "stable", "candidate"])
def test_in_multi_inference_the_version_goes_into_the_first_task(send, label):
    request = inference_pb2.MultiInferenceRequest()
    # 127 bytes are the most that a length of one byte can have: the first task outgrows it.
    for name in ("a" * 105, "b"):
        task = request.tasks.add(method_name="tensorflow/serving/regress")
        task.model_spec.name = MODEL
        task.model_spec.signature_name = name
        task.model_spec.version_label = label or ""
        if label is None:
            task.model_spec.ClearField("version_choice")
    request.input.example_list.examples.add().features.feature["x"].float_list.value.append(2.0)
    received, _ = send(request.SerializeToString(), "MultiInference", x_user_key=KEYS["candidate"])
    wanted = inference_pb2.MultiInferenceRequest()
    wanted.CopyFrom(request)
    wanted.tasks[0].model_spec.version.value = 1 if label == "stable" else 2
    assert inference_pb2.MultiInferenceRequest.FromString(received.message) == wanted


def test_multi_inference_without_tasks_is_for_the_server_to_refuse(send):
    assert send(b"", "MultiInference")[0].message == b""
    assert send(b"\x12\x00", "MultiInference")[0].message == b"\x12\x00"


def test_a_message_cut_into_small_frames_is_one_message(recorded):
    place, recorder = recorded
    message = spec(name=MODEL, version_label="candidate") + inputs()
    frame = b"\0" + len(message).to_bytes(4) + message
    for size in (1, 4, 7):
        pieces = [frame[at : at + size] for at in range(0, len(frame), size)]
        headers = {"x_request_id": f"cut-{size}", "content_length": str(len(frame))}
        with sending(place.settings.listen, f"{SERVICE}Predict", pieces, **headers):
            wait_until(lambda name=f"cut-{size}": recorder.of_request(name), what="the message")
        (received,) = recorder.of_request(f"cut-{size}")
        assert received.metadata["content-length"] == str(5 + len(received.message))
        assert predict_pb2.PredictRequest.FromString(received.message).model_spec.version.value == 2


@pytest.mark.parametrize("stable", [1, 127, 128, 2**53 + 1, 20261125223353123, 2**63 - 1])
def test_versions_of_up_to_64_bits_are_exact(tmp_path, stable):
    state = State(model=MODEL, served_root="/models")
    state = transitions.verify(transitions.add_loaded(state, stable, "hash"), stable)
    (tmp_path / "models" / MODEL).mkdir(parents=True)
    (tmp_path / "models" / MODEL / "release.json").write_text(
        json.dumps(transitions.promote(transitions.stage(state, stable)).to_json())
    )
    with (
        recording() as recorder,
        gateway_running(tmp_path / "models", [1], [recorder.port], tmp_path) as settings,
        grpc.insecure_channel(settings.listen) as channel,
    ):
        call = channel.unary_unary(f"{SERVICE}Predict")
        for message in (spec(name=MODEL), spec(name=MODEL, version=stable)):
            _, told = call.with_call(message, timeout=10)
            assert dict(told.initial_metadata())["x-model-version"] == str(stable)
            (received,) = recorder.calls
            assert predict_pb2.PredictRequest.FromString(received.message).model_spec.version.value == stable
            recorder.calls.clear()


def test_large_messages_arrive_whole(send):
    given = spec(name=MODEL) + inputs(15_000_000)
    received, _ = send(given, x_user_key=KEYS["stable"])
    assert received.message == spec(version=1) + given


@pytest.mark.parametrize("model", [MODEL, "first", "nobody"])
def test_compressed_messages_are_refused_with_the_encoding_that_is_taken(send, recorded, model):
    place, recorder = recorded
    before = len(recorder.calls)
    with grpc.insecure_channel(place.settings.listen) as channel:
        call = channel.unary_unary(f"{SERVICE}Predict")
        with pytest.raises(grpc.RpcError) as refused:
            call(spec(name=model) + inputs(1000), compression=grpc.Compression.Gzip, timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "grpc-encoding identity" in refused.value.details()
    # gRPC's own library keeps this header to itself, HTTP/1.1 shows it.
    kind = {"Content-Type": "application/grpc", "grpc-encoding": "gzip"}
    answer = requests.post(place.url + f"{SERVICE}Predict", b"\1\0\0\0\1x", headers=kind, timeout=10)
    assert (answer.headers["grpc-status"], answer.headers["grpc-accept-encoding"]) == ("12", "identity")
    place.wait_for_log(2, path=f"{SERVICE}Predict", grpc_status="Unimplemented")
    assert len(recorder.calls) == before


def test_a_message_of_countless_fields_is_refused(send):
    with pytest.raises(grpc.RpcError) as refused:
        send(spec(name=MODEL) + b"\x98\x06\x01" * 200_000)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_other_methods_pass_as_they_are(recorded):
    place, recorder = recorded
    with grpc.insecure_channel(place.settings.listen) as channel:
        for path in ("/tensorflow.serving.ModelService/GetModelStatus", "/grpc.health.v1.Health/Check"):
            channel.unary_unary(path)(spec(name=MODEL), timeout=10)
            assert (recorder.calls[-1].method, recorder.calls[-1].message) == (path, spec(name=MODEL))


def test_replicas_get_the_request_id_that_the_caller_gets(recorded):
    """The caller's own, whatever it looks like, or else one that Envoy makes."""
    place, recorder = recorded
    with grpc.insecure_channel(place.settings.listen) as channel:
        for given in ("mine", "3fa85f64-5717-1562-b3fc-2c963f66afa6", None):
            pairs = [("x-request-id", given)] if given else []
            call = channel.unary_unary(f"{SERVICE}Predict").with_call(spec(name=MODEL), metadata=pairs, timeout=10)[1]
            told = [value for key, value in call.initial_metadata() if key == "x-request-id"]
            assert told == [recorder.calls[-1].metadata["x-request-id"]]
            assert given in (None, *told)
            (line,) = place.wait_for_log(request_id=told[0])
            assert line["path"] == f"{SERVICE}Predict"


def test_replicas_get_no_header_of_the_gateways_own(send):
    received, _ = send(spec(name=MODEL), x_hilir_model="first", x_hilir_cluster="admin")
    assert [name for name in received.metadata if name.startswith("x-hilir")] == []
