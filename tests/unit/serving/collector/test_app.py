"""The collector over real HTTP."""

import json

import pytest
import requests

from hilir.serving.collector.collector_app import make_app
from hilir.serving.collector.run_collector import parse_listen
from hilir.serving.errors import ServingConfigError
from hilir.serving.outcomes.backends import open_store
from hilir.serving.outcomes.receive import MAX_BYTES
from hilir.serving.server.security.tokens import Scope, Tokens
from hilir.serving.web import WebServer

SENDER, READER, WATCHER = (f"0123456789abcdef-{name}" for name in ("sender", "reader", "watcher"))
BATCH = {"outcomes": [{"id": "r#0", "name": "bought", "value": 1}, {"user": "u", "name": "spent", "value": 2.5}]}


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "outcomes.sqlite"))


@pytest.fixture
def url(store):
    tokens = Tokens(
        {SENDER: frozenset({Scope.OUTCOMES}), READER: frozenset({Scope.PREDICT}), WATCHER: frozenset({Scope.ADMIN})}
    )
    with WebServer(make_app(store, tokens), ("127.0.0.1", 0)) as server:
        yield server.url


def send(url, body, token=SENDER):
    data = body if isinstance(body, bytes) else json.dumps(body)
    return requests.post(f"{url}/v1/outcomes", data, headers={"Authorization": f"Bearer {token}"}, timeout=10)


def test_a_batch_is_stored_and_may_be_sent_again(url, store):
    assert send(url, BATCH).json() == {"accepted": 2, "new": 2, "replaced": 0, "unchanged": 0}
    assert send(url, BATCH).json() == {"accepted": 2, "new": 0, "replaced": 0, "unchanged": 2}
    assert {each.value for each in store.read()} == {1.0, 2.5}


def test_only_tokens_with_the_scope_may_send(url, store):
    assert send(url, BATCH, "no such token at all").status_code == 401
    refused = send(url, BATCH, READER)
    assert (refused.status_code, "scope 'outcomes'" in refused.json()["error"]) == (403, True)
    assert store.read() == []


def test_a_wrong_batch_is_refused_as_a_whole(url, store):
    wrong = {"outcomes": [*BATCH["outcomes"], {"id": "r", "name": "n"}]}
    answer = send(url, wrong)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("outcomes[2].value: must be a finite number")
    assert send(url, b" " * (MAX_BYTES + 1)).status_code == 413
    assert store.read() == []


def test_health_and_readiness(url):
    assert requests.get(f"{url}/healthz", timeout=10).text == "ok\n"
    assert requests.get(f"{url}/readyz", timeout=10).text == "ready\n"
    for answer in (requests.get(f"{url}/v1/outcomes", timeout=10), requests.post(f"{url}/v1/models", timeout=10)):
        assert answer.status_code == 404
        assert answer.json()["error"] == "there are POST /v1/outcomes, GET /healthz, /readyz and /metrics"


def test_while_the_database_fails_the_answer_is_503_without_its_place(url, store, tmp_path):
    place = tmp_path / "outcomes.sqlite"
    store.close()
    for file in tmp_path.iterdir():
        file.unlink()
    place.mkdir()
    answer = send(url, BATCH)
    assert (answer.status_code, answer.json()) == (
        503, {"error": "outcomes cannot be stored at the moment; send the batch again later"}
    )  # fmt: skip
    assert requests.get(f"{url}/readyz", timeout=10).status_code == 503
    assert requests.get(f"{url}/healthz", timeout=10).status_code == 200
    place.rmdir()
    open_store(str(place)).close()
    assert send(url, BATCH).json()["new"] == 2


def test_an_address_needs_host_and_port():
    assert parse_listen("[::1]:8600") == ("::1", 8600)
    for listen in ("8600", "host:", "host:x", "host:99999"):
        with pytest.raises(ServingConfigError, match="not HOST:PORT"):
            parse_listen(listen)


def test_prometheus_reads_how_many_have_come(url):
    for batch in (BATCH, BATCH, {"outcomes": [{"id": "r#0", "name": "bought", "value": 0}]}, b"nonsense"):
        send(url, batch)
    answers = [
        requests.get(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10)
        for token in (WATCHER, READER)
    ]
    assert answers[0].text.splitlines() == [
        "# TYPE hilir_outcomes counter",
        'hilir_outcomes{result="new"} 2',
        'hilir_outcomes{result="replaced"} 1',
        'hilir_outcomes{result="unchanged"} 2',
        "# TYPE hilir_outcome_batches counter",
        'hilir_outcome_batches{status="200"} 3',
        'hilir_outcome_batches{status="400"} 1',
    ]
    assert answers[1].status_code == 403
