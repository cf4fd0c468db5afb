"""Credentials for which no token is given: google-auth asks a real token endpoint, on this machine."""

from __future__ import annotations

import json
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.credentials import find_refusal, is_passing
from hilir.components.vertex.errors import Unreachable, VertexError
from hilir.components.vertex.retry import call
from hilir.pipeline.vertex.client.bucket import check_bucket

EXPIRED = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
TOLD = (
    "could not {what}: the credentials are not accepted (invalid_grant: Token has been expired or revoked); type "
    "'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
)


@pytest.fixture
def token_endpoint(monkeypatch, tmp_path):
    """A token endpoint that refuses, and application default credentials that ask it; returns what it was sent."""
    asked: list[bytes] = []

    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            body = json.dumps(EXPIRED).encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    file = tmp_path / "application_default_credentials.json"
    file.write_text(
        json.dumps({"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "old"})
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    # google-auth takes no other address for a user's credentials.
    monkeypatch.setattr(
        "google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}/token"
    )
    yield asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def grpc_client():
    """Returns a function that makes a client with given credentials; the server behind it is on this machine."""
    import google.auth.transport.grpc as adapter
    import google.auth.transport.requests
    import grpc
    from google.cloud.aiplatform_v1 import EndpointServiceClient
    from google.cloud.aiplatform_v1.services.endpoint_service.transports.grpc import EndpointServiceGrpcTransport

    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
    server.start()
    channels = []

    def make(credentials):
        plugin = adapter.AuthMetadataPlugin(credentials, google.auth.transport.requests.Request())
        both = grpc.composite_channel_credentials(
            grpc.local_channel_credentials(), grpc.metadata_call_credentials(plugin)
        )
        channels.append(grpc.secure_channel(f"127.0.0.1:{port}", both))
        return EndpointServiceClient(transport=EndpointServiceGrpcTransport(channel=channels[-1]))

    yield make
    for channel in channels:
        channel.close()
    server.stop(None)


def read(client):
    return lambda: client.get_endpoint(name="projects/p/locations/l/endpoints/e", retry=None, timeout=20)


def test_expired_credentials_are_a_sentence_over_rest(token_endpoint):
    with pytest.raises(VertexError) as caught:
        check_bucket(Connection("p", "europe-west4"), "gs://my-bucket/pipelines")
    assert str(caught.value) == TOLD.format(what="look at the bucket gs://my-bucket")
    assert type(caught.value) is VertexError
    assert len(token_endpoint) == 1, "nothing is tried again"


def test_expired_credentials_are_a_sentence_over_grpc(token_endpoint, grpc_client):
    connection = Connection("p", "europe-west4")
    with pytest.raises(VertexError) as caught:
        call(connection, "read the endpoint e", read(grpc_client(connection.credentials)))
    assert str(caught.value) == TOLD.format(what="read the endpoint e")
    assert type(caught.value) is VertexError
    assert len(token_endpoint) == 1, "nothing is tried again"


def test_token_endpoint_that_is_not_reached_is_tried_again_over_grpc(token_endpoint, grpc_client, monkeypatch):
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", "http://127.0.0.1:9/token")
    monkeypatch.setattr(Connection, "patience", 2)
    connection, notes = Connection("p", "europe-west4"), []
    with pytest.raises(Unreachable, match="did not take it for 2 s"):
        call(connection, "read the endpoint e", read(grpc_client(connection.credentials)), note=notes.append)
    assert notes


def test_only_a_refusal_lasts():
    from google.auth import exceptions

    lost = exceptions.RefreshError("metadata server")
    lost.__cause__ = exceptions.TransportError("Connection refused")
    for error in (lost, exceptions.TransportError("x"), exceptions.RefreshError("server_error", retryable=True)):
        assert is_passing(error)
        assert find_refusal(error) is None
    assert find_refusal(exceptions.ReauthFailError("Run gcloud auth")) == "Reauthentication failed. Run gcloud auth"
    assert find_refusal(ValueError("x")) is None
    assert not is_passing(ValueError("x"))


@pytest.mark.parametrize("text", ["('Connection aborted.', ConnectionResetError())", "Read timed out. (timeout=120)"])
def test_lost_connections_of_the_plugin_pass(text):
    from google.api_core.exceptions import ServiceUnavailable

    assert find_refusal(ServiceUnavailable(f"Getting metadata from plugin failed with error: {text}")) is None
    refused = "Getting metadata from plugin failed with error: ('invalid_scope', {'error': 'invalid_scope'})"
    assert find_refusal(ServiceUnavailable(refused)) == "invalid_scope"
