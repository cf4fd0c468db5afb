"""The release is true for gRPC: the stock client, real servers, what `hilir release` says."""

import json
import math
import threading
from collections import Counter

import grpc
import pytest
import requests
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from hilir.serving.client import GrpcClient, PredictionFailed
from hilir.serving.gateway.counters import COUNTERS_PATH, parse_counters
from tests.integration.gateway.conftest import MODEL
from tests.integration.serving.server_process import wait_until

CALLS = 300
REGRESS = "tensorflow/serving/regress"


@pytest.fixture(scope="module")
def stub(place):
    with grpc.insecure_channel(place.settings.listen) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def ask(stub, model: str, key: str | None = None) -> int:
    """The version that answers the stock client, as the answer itself and the server tell."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add().size = 1
    request.inputs["x"].tensor_shape.dim.add().size = 1
    request.inputs["x"].float_val.append(2.0)
    response = stub.Predict(request, timeout=10, metadata=[("x-user-key", key)] if key else [])
    version = response.model_spec.version.value
    assert response.outputs["y"].float_val[0] == 1.0 + version
    return version


def counted(place, model: str) -> dict[int, float]:
    """Requests by version, as the gateway counts them."""
    page = requests.get(f"http://{place.settings.status}{COUNTERS_PATH}", timeout=10).text
    found = parse_counters(page, model)
    totals: Counter[int] = Counter()
    for (version, _arm), counts in found.items():
        totals[version] += counts.requests
    return dict(totals)


def share(place, model: str) -> float:
    """The candidate's percent, as `release show` says."""
    return json.loads(place.release("show", "--json", model=model).text)["state"]["split"].get("candidate", 0.0)


def test_the_split_and_a_rollback_are_what_release_show_says(place, stub, trial):
    before = counted(place, trial)
    drawn = Counter(ask(stub, trial) for _ in range(CALLS))
    percent = share(place, trial)
    assert percent == 30
    assert abs(drawn[2] / CALLS - percent / 100) < 4 * math.sqrt(0.3 * 0.7 / CALLS)
    wait_until(lambda: sum(counted(place, trial).values()) - sum(before.values()) >= CALLS, what="the counters")
    after = counted(place, trial)
    assert {version: after[version] - before.get(version, 0) for version in (1, 2)} == drawn
    place.release("promote", model=trial)
    assert {ask(stub, trial) for _ in range(30)} == {2}
    place.release("rollback", model=trial)
    assert share(place, trial) == 0
    assert Counter(ask(stub, trial) for _ in range(CALLS)) == {1: CALLS}
    place.release("canary", 2, "--percent", 30, model=trial)


def test_versions_and_labels_that_callers_name_are_counted_too_but_no_metadata(place, stub):
    before = counted(place, MODEL)
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = MODEL
    for _ in range(3):
        assert stub.GetModelMetadata(request, 10).model_spec.name == MODEL
        assert place.session.get(f"{place.url}/v1/models/{MODEL}/versions/2/metadata", timeout=10).status_code == 200
    with GrpcClient(place.settings.listen) as client:
        for _ in range(3):
            place.ask(path="/versions/1")
            place.ask(path="/labels/candidate")
            client.predict(MODEL, {"x": [[2.0]]}, version=1)
            client.predict(MODEL, {"x": [[2.0]]}, label="candidate")
    wait_until(
        lambda: {v: n - before.get(v, 0) for v, n in counted(place, MODEL).items()} == {1: 6, 2: 6}, what="the counters"
    )


def test_a_failed_call_is_an_error_of_its_version_though_http_calls_it_200(place, stub):
    def errors(version: int) -> int:
        page = requests.get(f"http://{place.settings.status}{COUNTERS_PATH}", timeout=10).text
        return parse_counters(page, MODEL)[version, "named"].errors

    ask(stub, MODEL)
    with GrpcClient(place.settings.listen) as client:
        for version in (1, 2):
            client.predict(MODEL, {"x": [[2.0]]}, version=version)
            place.ask(path=f"/versions/{version}")
        wait_until(lambda: errors(1) >= 0 and errors(2) >= 0, what="both versions counted")
        before = errors(2)
        with pytest.raises(PredictionFailed):
            client.predict(MODEL, {"wrong": [[2.0]]}, version=2)
        assert place.session.post(f"{place.url}/v1/models/{MODEL}/versions/2:predict", data="{").status_code == 400
    wait_until(lambda: errors(2) == before + 2, what="one error of each protocol")
    assert place.ask(path="/versions/77").status_code == 404
    page = requests.get(f"http://{place.settings.status}{COUNTERS_PATH}", timeout=10).text
    assert 'version="77"' not in page, "callers cannot make series"


def test_a_rollback_under_load_fails_no_call_and_ends_the_version(place, stub, trial):
    place.release("canary", 2, "--percent", 100, model=trial)
    versions: list[int] = []
    failures: list[BaseException] = []
    stopping = threading.Event()

    def work():
        while not stopping.is_set():
            try:
                versions.append(ask(stub, trial))
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_until(lambda: len(versions) > 50, what="load")
        place.release("abort", model=trial)
        done = len(versions)
        wait_until(lambda: len(versions) > done + 50, what="load after the abort")
    finally:
        stopping.set()
        thread.join()
        place.release("canary", 2, "--percent", 30, model=trial)
    assert failures == []
    assert set(versions[:50]) == {2}
    # One call may have been on its way.
    assert set(versions[done + 1 :]) == {1}


def test_failed_calls_are_counted_by_label(place):
    def failures() -> float:
        page = requests.get(f"http://{place.settings.status}/stats/prometheus", timeout=10).text
        name = 'envoy_cluster_grpc_failure{envoy_cluster_name="models_grpc_candidate"}'
        return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))

    before = failures()
    with GrpcClient(place.settings.listen) as client:
        for label in ("stable", "candidate", "candidate"):
            with pytest.raises(PredictionFailed, match="INVALID_ARGUMENT"):
                client.predict(MODEL, {"none": [[2.0]]}, label=label)
    wait_until(lambda: failures() == before + 2, what="the counter")


def test_a_call_that_a_replica_cannot_take_goes_to_another_with_its_version(place, another, dead_port):
    with (
        another(grpc_ports=[dead_port, place.server.port], retries=3) as found,
        GrpcClient(found.settings.listen) as client,
    ):
        answers = [client.predict(MODEL, {"x": [[2.0]]}, user_key=f"user-{number}") for number in range(40)]
        assert {(answer.version, answer.label) for answer in answers} == {(1, "stable"), (2, "candidate")}
        lines = found.wait_for_log(40)
        assert {line["grpc_status"] for line in lines} == {"OK"}
        assert max(line["attempts"] for line in lines) > 1


def test_a_key_has_the_same_version_over_both_protocols(place, stub, trial):
    users = [f"user-{number}" for number in range(100)]
    by_grpc = {user: ask(stub, trial, user) for user in users}
    assert set(by_grpc.values()) == {1, 2}
    assert by_grpc == {user: place.answering(trial, X_User_Key=user) for user in users}
    assert by_grpc == {user: ask(stub, trial, user) for user in users}


def test_the_log_says_of_grpc_what_it_says_of_rest(place, stub):
    keys = {ask(stub, MODEL, key): key for key in map("logged-{}".format, range(30))}
    for version, key in keys.items():
        place.ask(X_User_Key=key, X_Request_Id=f"rest-{key}")
        (rest,) = place.wait_for_log(request_id=f"rest-{key}")
        lines = place.wait_for_log(user=rest["user"], path="/tensorflow.serving.PredictionService/Predict")
        for name in ("model", "version", "label", "user", "status"):
            assert lines[0][name] == rest[name]
        assert (lines[0]["version"], lines[0]["grpc_status"]) == (str(version), "OK")
        assert key not in str(lines[0])


def test_classify_regress_and_multi_inference_follow_the_release(stub):
    def fill(request):
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(2.0)
        return request

    regress = fill(regression_pb2.RegressionRequest())
    classify = fill(classification_pb2.ClassificationRequest())
    multi = fill(inference_pb2.MultiInferenceRequest())
    multi.tasks.add(method_name=REGRESS)
    for spec, signature in ((regress, "regress_x_to_y"), (classify, "classify_x_to_y"), (multi.tasks[0], None)):
        spec.model_spec.name = MODEL
        spec.model_spec.signature_name = signature or "regress_x_to_y"
    for number in range(20):
        metadata = [("x-user-key", f"user-{number}")]
        version = ask(stub, MODEL, f"user-{number}")
        value = 1.0 + version
        assert stub.Regress(regress, 10, metadata=metadata).result.regressions[0].value == value
        classes = stub.Classify(classify, 10, metadata=metadata).result.classifications[0].classes
        assert classes[0].score == value
        (result,) = stub.MultiInference(multi, 10, metadata=metadata).results
        assert (result.model_spec.version.value, result.regression_result.regressions[0].value) == (version, value)


def test_the_metadata_are_those_of_the_version_that_answers(place, stub):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = MODEL
    for number in range(20):
        key = f"user-{number}"
        answer = place.session.get(f"{place.url}/v1/models/{MODEL}/metadata", headers={"X-User-Key": key}, timeout=10)
        versions = {
            ask(stub, MODEL, key),
            stub.GetModelMetadata(request, 10, metadata=[("x-user-key", key)]).model_spec.version.value,
            int(answer.json()["model_spec"]["version"]),
            int(answer.headers["X-Model-Version"]),
        }
        assert len(versions) == 1


def test_the_client_sends_the_key_and_reports_what_the_gateway_chose(place):
    with GrpcClient(place.settings.listen) as client:
        for user in ("user-1", "Ärger", "用户", "a b", "x" * 500):
            answer = client.predict(MODEL, {"x": [[2.0]]}, user_key=user)
            told = place.ask(X_User_Key=user.encode()).headers
            assert (str(answer.version), answer.label) == (told["X-Model-Version"], told["X-Model-Label"])
        assert client.predict("first", {"x": [[2.0]]}).label is None
    with GrpcClient(f"127.0.0.1:{place.server.port}") as client:
        answer = client.predict(MODEL, {"x": [[2.0]]}, user_key="user-1")
        assert (answer.version, answer.label) == (2, None), "a model server takes the highest version"


def test_clients_cannot_configure_servers_through_the_gateway(place):
    with grpc.insecure_channel(place.settings.listen) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = MODEL
        assert len(stub.GetModelStatus(request, timeout=10).model_version_status) == 2
        with pytest.raises(grpc.RpcError) as refused:
            stub.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
