"""What the gateway does with requests: which version, what the log says, what is not let through."""

import math

import pytest
import requests

from hilir.serving.client import GrpcClient, PredictionFailed, RestClient, Retry
from hilir.serving.releases.split import choose_label
from tests.integration.gateway.conftest import MODEL

USERS = [f"user-{number}" for number in range(300)]


@pytest.fixture(scope="module")
def rest(place):
    with RestClient(place.url) as client:
        yield client


@pytest.fixture(scope="module")
def rpc(place):
    with GrpcClient(place.settings.listen) as client:
        yield client


def test_users_are_split_as_asked_and_stay(place):
    first = {user: place.answering(X_User_Key=user) for user in USERS}
    again = {user: place.answering(X_User_Key=user) for user in USERS[:50]}
    assert again.items() <= first.items()
    share = sum(version == 2 for version in first.values()) / len(USERS)
    assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / len(USERS))


def test_both_protocols_put_every_user_on_the_side_that_the_arithmetic_says(place, rest, rpc):
    """The Lua script and the Python of the split are one arithmetic; keys of all kinds."""
    for user in [*USERS[:60], "", "Ärger", "用户", "x" * 500, "a b"]:
        told = rest.predict(MODEL, {"x": [[2.0]]}, user_key=user)
        if user:
            assert told.label == choose_label(f"{MODEL}-2", user, 30)
            assert rpc.predict(MODEL, {"x": [[2.0]]}, user_key=user).version == told.version


def test_without_a_key_each_request_is_drawn(place):
    assert {place.answering() for _ in range(60)} == {1, 2}


def test_paths_and_headers_choose_a_version(place):
    assert place.answering(path="/labels/stable") == 1
    assert place.answering(path="/labels/candidate") == 2
    assert place.answering(path="/versions/2") == 2
    assert place.answering(X_Model_Label="candidate") == 2
    assert place.ask(path="/labels/other").json()["error"] == "Unrecognized servable version label: other"
    assert place.ask(X_Model_Label="other").json()["error"] == "Unrecognized servable version label: other"
    assert place.ask(path="/versions/9").status_code == 404


def test_answers_tell_version_and_label_whatever_the_server_says(place):
    headers = place.ask(path="/labels/candidate").headers
    assert (headers["X-Model-Version"], headers["X-Model-Label"]) == ("2", "candidate")


def test_models_without_a_release_pass_through(place):
    assert place.answering("first") == 1
    assert place.session.get(f"{place.url}/v1/models/first").json()["model_version_status"][0]["version"] == "1"
    assert place.session.get(f"{place.url}/v1/models/{MODEL}/metadata").status_code == 200


def test_the_log_has_version_label_and_latency_but_no_key(place):
    place.ask(X_User_Key="a secret person", X_Request_Id="find-me")
    (line,) = place.wait_for_log(request_id="find-me")
    assert line["label"] == choose_label(f"{MODEL}-2", "a secret person", 30)
    assert line["version"] == {"stable": "1", "candidate": "2"}[line["label"]]
    assert (line["model"], line["status"], line["path"]) == (MODEL, 200, f"/v1/models/{MODEL}:predict")
    assert 0 <= line["upstream_ms"] <= line["latency_ms"] < 10_000
    assert "secret" not in str(line)


def test_clients_cannot_name_a_cluster_or_a_shadow(place):
    for name in ("x-hilir-cluster", "x-hilir-shadow", "x-hilir-shadow-version"):
        assert place.ask(**{name: "admin"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/metrics", "/monitoring/prometheus/metrics", "/config_dump", "/quitquitquit"])
def test_nothing_else_is_let_through(place, path):
    assert place.session.get(place.url + path).status_code == 404


def test_the_status_address_shows_no_more_than_it_must(place):
    status = f"http://{place.settings.status}"
    assert requests.get(f"{status}/ready").status_code == 200
    assert requests.get(f"{status}/stats/prometheus").status_code == 200
    assert requests.get(f"{status}/config_dump?resource=dynamic_route_configs").status_code == 200
    for path in ("/config_dump", "/config_dump?resource=static_listeners", "/stats", "/clusters"):
        assert requests.get(status + path).status_code == 404
    assert requests.post(f"{status}/quitquitquit").status_code == 404


def test_the_grpc_client_names_versions_and_labels(rpc):
    answer = rpc.predict(MODEL, {"x": [[2.0]]}, label="candidate")
    assert (answer.version, answer.label, answer.outputs["y"].tolist()) == (2, "candidate", [[3.0]])
    assert rpc.predict(MODEL, {"x": [[2.0]]}, version=1).outputs["y"].tolist() == [[2.0]]
    for client in (rpc, RestClient("http://unused")):
        with pytest.raises(PredictionFailed, match="both given"):
            client.predict(MODEL, {"x": [[2.0]]}, version=1, label="stable")
        for key in (" spaces", "line\nbreak"):
            with pytest.raises(PredictionFailed, match="printable characters, without spaces at its ends"):
                client.predict(MODEL, {"x": [[2.0]]}, user_key=key)


def test_the_rest_client_gives_numpy_for_numpy(rest):
    import numpy as np

    answer = rest.predict(MODEL, {"x": np.array([[2.0], [4.0]], np.float32)}, version=1)
    np.testing.assert_allclose(answer.outputs["y"], [[2.0], [3.0]])
    assert answer.version == 1
    assert rest.predict(MODEL, np.array([[2.0]]), label="stable").outputs["y"].shape == (1, 1)


def test_errors_of_the_server_reach_the_caller_at_once(rest, rpc):
    with pytest.raises(PredictionFailed, match=r"404.*Servable not found") as failed:
        rest.predict(MODEL, {"x": [[1.0]]}, version=9)
    assert failed.value.status == 404
    with pytest.raises(PredictionFailed, match="NOT_FOUND") as failed:
        rpc.predict(MODEL, {"x": [[1.0]]}, version=9)
    assert failed.value.status == "NOT_FOUND"


def test_a_server_that_is_not_there_is_tried_until_the_deadline(dead_port):
    retry = Retry(attempts=50, deadline=0.5)
    for client, status in (
        (RestClient(f"http://127.0.0.1:{dead_port}", retry=retry), None),
        (GrpcClient(f"127.0.0.1:{dead_port}", retry=retry), "UNAVAILABLE"),
    ):
        with client, pytest.raises(PredictionFailed) as failed:
            client.predict(MODEL, {"x": [[1.0]]})
        assert failed.value.status in (status, "DEADLINE_EXCEEDED")


def test_attempts_share_one_deadline_and_pause_ever_longer():
    assert [pause for pause, _ in Retry(attempts=1, deadline=10.0).pauses()] == [0.0]
    tries = list(Retry(attempts=5, deadline=1000.0).pauses())
    for (pause, left), longest in zip(tries, (0.0, 0.05, 0.1, 0.2, 0.4), strict=True):
        assert longest / 2 <= pause <= longest
        assert left <= 1000.0 - pause
    assert list(Retry(attempts=5, deadline=0.0).pauses()) == []
