"""POST /v1/outcomes of our server, and through a gateway in front of the process that takes them."""

import time

import pytest
import requests

from hilir.serving.client import GrpcClient, RestClient
from hilir.serving.errors import ServingConfigError
from hilir.serving.outcomes.backends import open_store
from tests.integration.outcomes.collecting import collecting
from tests.integration.release.place import MODEL, gateway_running
from tests.integration.release.versions import make_version
from tests.integration.serving.server_process import free_port, running

TOKENS = {scope: f"0123456789abcdef-{scope}" for scope in ("predict", "outcomes", "admin")}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    make_version(folder, 1)
    return folder


def send(url, *outcomes, scope="outcomes"):
    headers = {"Authorization": f"Bearer {TOKENS[scope]}"}
    return requests.post(f"{url}/v1/outcomes", json={"outcomes": outcomes}, headers=headers, timeout=10)


def test_the_server_takes_outcomes_of_its_predictions(root, tmp_path):
    tokens, place = tmp_path / "tokens", tmp_path / "outcomes.sqlite"
    tokens.write_text("".join(f"{token} {scope}\n" for scope, token in TOKENS.items()))
    tokens.chmod(0o600)
    with running(root=str(root), tokens_file=str(tokens), outcomes=str(place)) as server:
        header = {"Authorization": f"Bearer {TOKENS['predict']}"}
        with RestClient(server.base, header) as rest, GrpcClient(f"127.0.0.1:{server.port}", header) as rpc:
            answers = [client.predict(MODEL, {"x": [[1.0], [2.0]]}) for client in (rest, rpc)]
        ids = [each for answer in answers for each in answer.ids]
        assert len(set(ids)) == 4
        assert [each.rpartition("#")[2] for each in ids] == ["0", "1", "0", "1"]
        outcomes = [{"id": each, "name": "bought", "value": 1} for each in ids]
        assert send(server.base, *outcomes).json() == {"accepted": 4, "new": 4, "replaced": 0, "unchanged": 0}
        refused = send(server.base, *outcomes, scope="predict")
        assert (refused.status_code, refused.json()["error"][:40]) == (403, "The token does not have the scope 'outco")
        wrong = send(server.base, {"id": "x"})
        assert (wrong.status_code, "X-Request-Id" in wrong.headers) == (400, True)
        admin = {"Authorization": f"Bearer {TOKENS['admin']}"}
        figures = requests.get(f"{server.base}/metrics", headers=admin, timeout=10).text.splitlines()
        assert 'hilir_outcomes{result="new"} 4' in figures
        assert 'hilir_outcome_batches{status="400"} 1' in figures
    assert [f"{each.request}#{each.row}" for each in open_store(str(place)).read()] == sorted(ids)


def test_without_a_place_for_outcomes_the_path_is_none(root):
    with running(root=str(root)) as server:
        answer = requests.post(f"{server.base}/v1/outcomes", json={"outcomes": []}, timeout=10)
        assert (answer.status_code, answer.json()["error"]) == (400, "Malformed request: POST /v1/outcomes")


def test_several_replicas_are_refused_at_the_start(root, tmp_path):
    with pytest.raises(ServingConfigError, match="3 replicas cannot share a SQLite file"), running(
        root=str(root), outcomes=str(tmp_path / "x.sqlite"), replicas=3
    ):  # fmt: skip
        pass


def test_a_gateway_sends_outcomes_to_the_process_that_takes_them(root, tmp_path):
    place = str(tmp_path / "outcomes.sqlite")
    with (
        collecting(place) as address,
        gateway_running(root, [free_port()], [free_port()], tmp_path, outcomes=[address]) as settings,
    ):
        url = f"http://{settings.listen}"
        deadline = time.monotonic() + 60
        while (answer := send(url, {"id": "r#0", "name": "n", "value": 1})).status_code == 503:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert answer.json() in ({"accepted": 1, "new": n, "replaced": 0, "unchanged": 1 - n} for n in (0, 1))
        assert requests.get(f"{url}/v1/outcomes", timeout=10).status_code == 404
    assert len(open_store(place).read()) == 1
