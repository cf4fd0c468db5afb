"""What protects servers and clients: credentials, limits, retries, ejection, shadow traffic, stopping."""

import base64
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
import requests
from tensorflow_serving.apis import prediction_service_pb2_grpc

from hilir.serving.client import GrpcClient
from hilir.serving.errors import ServingConfigError
from hilir.serving.gateway.bootstrap import render_bootstrap
from hilir.serving.gateway.settings import GatewaySettings
from tests.contract.serving.grpc_calls import predict_request
from tests.integration.gateway.conftest import MODEL
from tests.integration.serving.certificates import make_certificate, to_pem
from tests.integration.serving.server_process import ROOT, free_port, wait_until


def test_calls_need_an_api_key_and_the_log_knows_whose(another, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("# who may call\nshop 0123456789abcdef\napp fedcba9876543210\n")
    keys.chmod(0o600)
    with another(api_keys_file=str(keys), rate_limit={"per_client": 3}) as place:
        assert place.ask().status_code == 401
        assert place.ask(X_API_Key="wrong-wrong-wrong").status_code == 401
        assert requests.get(f"{place.url}/v1/models/{MODEL}").status_code == 401
        assert requests.get(f"{place.url}/healthz").text == "ok\n"
        assert place.ask(X_API_Key="0123456789abcdef", X_Client="app", X_Request_Id="mine").status_code == 200
        codes = [place.ask(X_API_Key="fedcba9876543210").status_code for _ in range(6)]
        assert codes[0] == 200
        assert 429 in codes
        (line,) = place.wait_for_log(request_id="mine")
        assert line["client"] == "shop"
        assert (place.root / "gateway/envoy.json").stat().st_mode & 0o077 == 0


def test_connections_are_encrypted_and_the_key_is_for_its_owner(another, tmp_path):
    key, certificate = to_pem(make_certificate("localhost"))
    files = {"certificate": tmp_path / "gateway.crt", "key": tmp_path / "gateway.key"}
    files["certificate"].write_text(certificate)
    files["key"].write_text(key)
    tls = {name: str(path) for name, path in files.items()}
    with pytest.raises(ServingConfigError, match="Everybody can read the private key"):
        render_bootstrap(GatewaySettings(tls=tls), str(tmp_path))
    files["key"].chmod(0o600)
    with another(tls=tls) as place:
        url = f"https://localhost:{place.settings.listen.rpartition(':')[2]}/v1/models/{MODEL}:predict"
        body = {"instances": [[2.0]]}
        assert requests.post(url, json=body, verify=tls["certificate"], timeout=10).status_code == 200
        with pytest.raises(requests.ConnectionError):
            requests.post(url.replace("https", "http"), json=body, timeout=10)
        credentials = grpc.ssl_channel_credentials(certificate.encode())
        with grpc.secure_channel(url.split("/")[2], credentials) as channel:
            request = predict_request(MODEL, "", x=np.float32([[2.0]]))
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert stub.Predict(request, timeout=10).model_spec.name == MODEL


def test_calls_need_a_token_and_its_subject_is_the_user(another, tmp_path):
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1"}
    jwk |= {"n": _base64(numbers.n.to_bytes(256)), "e": _base64(numbers.e.to_bytes(3))}
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwk]}))
    jwt = {"issuer": "https://issuer.example", "audiences": ["models"], "jwks_file": str(tmp_path / "jwks.json")}
    claims = {"iss": "https://issuer.example", "aud": "models", "sub": "carol", "exp": int(time.time()) + 600}
    with another(jwt=jwt) as place:
        assert place.ask().status_code == 401
        for wrong in ({"exp": 1}, {"iss": "https://other.example"}):
            assert place.ask(Authorization=f"Bearer {_token(key, claims | wrong)}").status_code == 401
        assert place.ask(Authorization=f"Bearer {_token(key, claims | {'aud': 'other'})}").status_code == 403
        good = f"Bearer {_token(key, claims)}"
        labels = {place.ask(Authorization=good, X_User_Key=f"user-{n}").headers["X-Model-Label"] for n in range(20)}
        assert len(labels) == 1, "a caller cannot choose to be somebody else"
        with GrpcClient(place.settings.listen, {"Authorization": good}) as client:
            for key in ("user-1", "Ärger", "用户"):
                assert client.predict(MODEL, {"x": [[2.0]]}, user_key=key).label in labels


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _token(key, claims: dict) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, claims)]
    signed = key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
    return ".".join([*parts, _base64(signed)])


def test_more_requests_than_allowed_are_answered_429(another):
    with another(rate_limit={"requests_per_second": 5}, max_request_bytes=1000) as place:
        codes = [place.ask().status_code for _ in range(15)]
        assert 3 <= codes.count(200) <= 12
        assert set(codes) == {200, 429}
        url = f"{place.url}/v1/models/{MODEL}:predict"
        wait_until(lambda: requests.post(url, data=b"x" * 2000, timeout=10).status_code == 413)


def test_a_request_that_is_too_large_is_told_so_in_its_own_protocol(another):
    with another(max_request_bytes=1000) as place:
        url = f"{place.url}/v1/models/{MODEL}:predict"
        answer = requests.post(url, data=b"x" * 2000, timeout=10)
        sentence = "The request is larger than 1000 bytes (max_request_bytes of gateway.yaml)"
        assert (answer.status_code, answer.json()) == (413, {"error": sentence})
        with (
            grpc.insecure_channel(place.settings.listen) as channel,
            pytest.raises(grpc.RpcError) as caught,
        ):
            channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(bytes(2_000_000), timeout=10)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert caught.value.details() == sentence


def test_what_the_gateway_refuses_by_itself_is_an_error_as_the_servers_write_it(place, another, tmp_path):
    answer = requests.put(f'{place.url}/v1/models/"{MODEL}":predict', json={}, timeout=10)
    assert (answer.status_code, answer.json()) == (404, {"error": f"Not found: PUT /v1/models/%22{MODEL}%22:predict"})
    assert requests.get(f"{place.url}/healthz", timeout=10).text == "ok\n"
    keys = tmp_path / "keys"
    keys.write_text("web 0123456789abcdef\n")
    keys.chmod(0o600)
    with another(api_keys_file=str(keys)) as closed:
        assert (closed.ask().status_code, set(closed.ask().json())) == (401, {"error"})
    with another(ports=[free_port()], grpc_ports=[free_port()]) as deserted:
        answer = deserted.ask()
        assert answer.status_code == 503
        assert re.search("connect|upstream", answer.json()["error"])
        with grpc.insecure_channel(deserted.settings.listen) as channel, pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(b"", timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not caught.value.details().startswith("{")


class Faulty(http.server.BaseHTTPRequestHandler):
    """Another replica, which answers 503 or 500 to everything."""

    protocol_version = "HTTP/1.1"
    status, calls = 503, 0

    def do_POST(self):
        type(self).calls += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def faulty():
    Faulty.calls = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_request_that_a_replica_refuses_is_answered_by_another(place, another, faulty, dead_port):
    Faulty.status = 503
    outliers = {"consecutive_5xx": 10_000}
    with another([place.server.rest_port, faulty, dead_port], outliers=outliers, retries=3) as found:
        assert [found.ask().status_code for _ in range(30)] == [200] * 30
        assert Faulty.calls > 0
        assert len(found.wait_for_log(30, status=200)) == 30
        assert {line["attempts"] for line in found.log_lines(status=200)} > {1}


def test_a_replica_that_fails_again_and_again_is_left_out(place, another, faulty):
    Faulty.status = 500
    with another([place.server.rest_port, faulty], outliers={"consecutive_5xx": 3, "ejection_seconds": 60}) as found:
        # Which replica is asked is chance.
        codes: list[int] = []
        wait_until(lambda: codes.append(found.ask(path="/labels/stable").status_code) or codes.count(500) == 3)
        # Envoy's main thread ejects, its workers learn of it a moment later.
        wait_until(lambda: 'envoy_cluster_name="models_stable"} 1' in _ejections(found), what="an ejection")
        wait_until(lambda: [found.ask(path="/labels/stable").status_code for _ in range(20)] == [200] * 20)


def _ejections(place) -> str:
    page = requests.get(f"http://{place.settings.status}/stats/prometheus", timeout=10).text
    return "\n".join(line for line in page.splitlines() if "outlier_detection_ejections_active{" in line)


def test_shadow_traffic_reaches_the_candidate_and_its_answers_nobody(place):
    """Last of what changes the release here: it puts the trial back as it was."""
    place.release("canary", 2, "--percent", 0, "--shadow", 100)
    try:
        with GrpcClient(place.settings.listen) as client:
            for number in range(20):
                assert place.answering(X_Request_Id=f"shadowed-{number}") == 1
                assert client.predict(MODEL, {"x": [[2.0]]}).version == 1
            # Larger than Envoy's buffers are by default.
            large = np.full((600_000, 1), 2.0, np.float32)
            assert client.predict(MODEL, {"x": large}).outputs["y"][-1] == [2.0]
        copies = place.wait_for_log(41, label="shadow")
        assert {line["version"] for line in copies} == {"2"}
        assert {(line["model"], line["status"]) for line in copies} == {(MODEL, 200)}
        by_path = {(line["path"].split("/")[-1].split(":")[-1], line["grpc_status"]) for line in copies}
        assert by_path == {("predict", None), ("Predict", "OK")}
        assert {f"shadowed-{number}" for number in range(20)} < {line["request_id"] for line in copies}
    finally:
        place.release("canary", 2, "--percent", 30, "--shadow", 0)


def test_a_configuration_that_envoy_would_refuse_is_told_before(tmp_path):
    from hilir.serving.gateway.settings import read_api_keys, read_settings

    (tmp_path / "settings.yaml").write_text("listn: 127.0.0.1:80\nrest: []\ntimeout_seconds: -1\n")
    with pytest.raises(ServingConfigError, match=r"(?s)rest.*timeout_seconds.*listn"):
        read_settings(tmp_path / "settings.yaml")
    with pytest.raises(ServingConfigError, match="choose one"):
        read_settings(None, api_keys_file="keys", jwt={"issuer": "i", "jwks_file": "f"})
    (tmp_path / "keys").write_text("shop short\n")
    with pytest.raises(ServingConfigError, match="Everybody can read the file of API keys"):
        read_api_keys(str(tmp_path / "keys"))
    (tmp_path / "keys").chmod(0o600)
    with pytest.raises(ServingConfigError, match="keys:1: write CLIENT KEY"):
        read_api_keys(str(tmp_path / "keys"))


def test_the_command_runs_envoy_and_lets_requests_finish_when_stopped(place, tmp_path):
    (tmp_path / MODEL).mkdir()
    (tmp_path / MODEL / "release.json").write_text((place.root / MODEL / "release.json").read_text())
    listen, status, admin = (f"127.0.0.1:{free_port()}" for _ in range(3))
    words = ["--root", str(tmp_path), "--listen", listen, "--status", status, "--admin", admin, "--threads", "1"]
    words += ["--rest", f"127.0.0.1:{place.server.rest_port}"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "hilir.pipeline.cli",
            "gateway",
            "run",
            *words,
            "--rest",
            f"127.0.0.1:{place.server.rest_port}",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert f"Gateway on http://{listen}" in process.stdout.readline()
        body = {"instances": [[2.0]]}
        assert requests.post(f"http://{listen}/v1/models/{MODEL}:predict", json=body, timeout=10).status_code == 200
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
        assert "finishing the requests in progress" in process.stdout.read()
        wait_until(lambda: not _answers(admin), what="Envoy has ended")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _answers(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/ready", timeout=1).ok
    except requests.ConnectionError:
        return False
