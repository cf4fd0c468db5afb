"""TLS, client certificates and bearer tokens, on both ports."""

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from hilir.serving.errors import ServingConfigError
from tests.integration.serving.certificates import make_certificate, to_pem
from tests.integration.serving.server_process import running

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    ca = make_certificate("ca")
    names = {"ca": ca, "server": make_certificate("localhost", ca), "client": make_certificate("client", ca)}
    for name, pair in names.items():
        key, certificate = to_pem(pair)
        (folder / f"{name}.key").write_text(key)
        (folder / f"{name}.crt").write_text(certificate)
    for verify in ("true", "false"):
        (folder / f"ssl-{verify}.config").write_text(
            f"server_key: {(folder / 'server.key').read_text()!r} "
            f"server_cert: {(folder / 'server.crt').read_text()!r} "
            f"custom_ca: {(folder / 'ca.crt').read_text()!r} client_verify: {verify}"
        )
        (folder / f"ssl-{verify}.config").chmod(0o600)
    return folder


def predict(port, credentials, metadata=()):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([2.0])))
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return list(stub.Predict(request, timeout=30, metadata=metadata).outputs["y"].float_val)


def test_tls(models, pki):
    with running(
        model_base_path=str(models / "half_plus_two"),
        model_name="m",
        ssl_config_file=str(pki / "ssl-false.config"),
        rest_tls=True,
    ) as client:
        client.session.trust_env = False
        client.session.verify = str(pki / "ca.crt")
        assert client.post("m:predict", {"instances": [2.0]}).json() == {"predictions": [3.0]}
        ca = (pki / "ca.crt").read_bytes()
        assert predict(client.port, grpc.ssl_channel_credentials(ca)) == [3.0]
        with pytest.raises(requests.RequestException):
            requests.get(client.base.replace("https", "http") + "/healthz", timeout=30)


def test_mutual_tls(models, pki):
    with running(
        model_base_path=str(models / "half_plus_two"),
        model_name="m",
        ssl_config_file=str(pki / "ssl-true.config"),
        rest_tls=True,
    ) as client:
        client.session.trust_env = False
        client.session.verify = str(pki / "ca.crt")
        with pytest.raises(requests.RequestException):
            client.get("/healthz")
        client.session.cert = (str(pki / "client.crt"), str(pki / "client.key"))
        assert client.post("m:predict", {"instances": [2.0]}).status_code == 200
        ca, key, crt = [(pki / name).read_bytes() for name in ("ca.crt", "client.key", "client.crt")]
        assert predict(client.port, grpc.ssl_channel_credentials(ca, key, crt)) == [3.0]
        with pytest.raises(grpc.RpcError):
            predict(client.port, grpc.ssl_channel_credentials(ca))


def test_tokens(models, tmp_path):
    file = tmp_path / "tokens"
    file.write_text(f"# ours\n{TOKEN}\n")
    file.chmod(0o600)
    with running(model_base_path=str(models / "half_plus_two"), model_name="m", tokens_file=str(file)) as client:
        body = {"instances": [2.0]}
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            response = client.post("m:predict", body, headers=header)
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
        assert client.post("m:predict", body, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/healthz").status_code == 200
        with client.channel() as channel:
            call = channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")
            spec = b"\x0a\x03\x0a\x01m"
            with pytest.raises(grpc.RpcError) as caught:
                call(spec, timeout=30)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert call(spec, timeout=30, metadata=[("authorization", f"Bearer {TOKEN}")])


ADMIN = "admin-admin-admin-admin"


@pytest.mark.parametrize("engine", [True, False], ids=["core", "aio"])
def test_a_token_is_good_for_its_scopes_only(models, tmp_path, engine):
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN}\n{ADMIN} admin\n")
    file.chmod(0o600)
    caller, admin = ({"Authorization": f"Bearer {token}"} for token in (TOKEN, ADMIN))
    base = {"model_base_path": str(models / "half_plus_two"), "model_name": "m", "tokens_file": str(file)}
    with running(**base, grpc_core=engine) as client, client.channel() as channel:
        body = {"instances": [2.0]}
        assert client.post("m:predict", body, headers=caller).status_code == 200
        refused = client.post("m:predict", body, headers=admin)
        assert (refused.status_code, "scope 'predict'" in refused.json()["error"]) == (403, True)
        codes = [client.get("/metrics", headers=headers).status_code for headers in ({}, caller, admin)]
        assert codes == [401, 403, 200]
        assert [client.get("/v1/models/m", headers=headers).status_code for headers in (caller, admin)] == [200, 200]
        reload = channel.unary_unary("/tensorflow.serving.ModelService/HandleReloadConfigRequest")
        found = []
        for token in (TOKEN, ADMIN):
            with pytest.raises(grpc.RpcError) as caught:
                reload(b"", timeout=20, metadata=[("authorization", f"Bearer {token}")])
            found.append(caught.value.code().name)
        # The empty request of an admin is looked at.
        assert found == ["PERMISSION_DENIED", "INVALID_ARGUMENT"]
    with running(**base, open_metrics=True) as client:
        assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("short", 0o600, "16 or more"),
        (TOKEN, 0o644, "chmod 600"),
        (f"{TOKEN} everything", 0o600, "'everything' is not a scope. Use predict, outcomes, admin"),
    ],
)
def test_weak_token_files(models, tmp_path, text, mode, message):
    file = tmp_path / "tokens"
    file.write_text(text)
    file.chmod(mode)
    with (
        pytest.raises(ServingConfigError, match=message),
        running(model_base_path=str(models / "half_plus_two"), tokens_file=str(file)),
    ):
        pass


def test_loopback_unless_told_otherwise(models):
    from hilir.serving.server.options import ServeOptions

    assert ServeOptions().hosts == ("127.0.0.1", "::1")
    with running(model_base_path=str(models / "half_plus_two"), hosts=("0.0.0.0",)) as client:
        assert any("Anybody who reaches these ports can connect" in line for line in client.said)


def test_broken_tls_files(models, tmp_path):
    file = tmp_path / "ssl.config"
    file.write_text('server_key: "x" server_cert: "y"')
    file.chmod(0o600)
    with (
        pytest.raises(ServingConfigError, match="TLS key or certificate"),
        running(model_base_path=str(models / "half_plus_two"), ssl_config_file=str(file), rest_tls=True),
    ):
        pass


def test_a_private_key_that_everybody_can_read(models, pki, tmp_path):
    file = tmp_path / "ssl.config"
    file.write_text((pki / "ssl-false.config").read_text())
    file.chmod(0o644)
    with (
        pytest.raises(ServingConfigError, match=r"Everybody can read the TLS configuration .*chmod 600"),
        running(model_base_path=str(models / "half_plus_two"), ssl_config_file=str(file), rest_tls=True),
    ):
        pass
