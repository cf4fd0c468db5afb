"""What a client may offer or choose in HTTP: the answer is the same, and so is the next one on the connection."""

import gzip
import json
import re
import shutil
import socket
import subprocess
import urllib.request

import pytest

from tests.integration.serving.server_process import running

BODY = b'{"instances": [2.0]}'
ZIPPED = gzip.compress(BODY)
TOKEN = "0123456789abcdef0123456789abcdef"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def client(models):
    with running(model_base_path=str(models / "half_plus_two"), model_name="m", max_request_bytes=100_000) as client:
        yield client


def post(more=b"", body=BODY, version=b"1.1", target=b"/v1/models/m:predict"):
    head = b"POST %b HTTP/%b\r\nHost: x\r\n%b" % (target, version, more)
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def chunked(more=b""):
    chunks = b"5\r\n%b\r\nf\r\n%b\r\n0\r\nContent-Encoding: gzip\r\n\r\n" % (BODY[:5], BODY[5:])
    return b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n%bTransfer-Encoding: chunked\r\n\r\n%b" % (more, chunks)


def exchange(client, data):
    """Everything that comes back until the server closes, as (status, head, body) of each answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", client.rest_port), timeout=20) as sock:
        sock.sendall(data)
        while chunk := sock.recv(65536):
            answer += chunk
    found = []
    while answer:
        head, _, answer = answer.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        size = int(length[1]) if length else 0
        found.append((int(head.split()[1]), head, answer[:size]))
        answer = answer[size:]
    return found


def predictions(found):
    return [json.loads(body)["predictions"] for status, _, body in found if status == 200 and body != b"ok\n"]


@pytest.mark.parametrize(
    "offer",
    [
        H2C,
        b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        b"Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.2, foo/3\r\n",
        b"Connection: TE\r\nTE: trailers, deflate\r\n",
        b"Accept-Encoding: br, zstd;q=0.5, *;q=0\r\n",
        b"Accept: text/html\r\nAccept-Charset: ebcdic\r\nPrefer: respond-async\r\n",
        b"Expect: something-else\r\n",
        b"Content-Type: text/plain\r\n",
    ],
)
def test_offers_are_ignored(client, offer):
    get = b"GET /v1/models/m HTTP/1.1\r\nHost: x\r\n%b\r\n" % offer
    found = exchange(client, post(offer) + chunked(offer) + get + post() + LAST)
    assert [status for status, _, _ in found] == [200] * 5
    assert predictions(found[:2] + found[3:]) == [[3.0]] * 3
    assert json.loads(found[2][2])["model_version_status"][0]["state"] == "AVAILABLE"


def test_an_offer_in_small_pieces_with_a_large_body(client):
    body = b'{"instances": [%b]}' % b",".join([b"2.0"] * 20_000)
    request = post(H2C, body)
    with socket.create_connection(("127.0.0.1", client.rest_port), timeout=20) as sock:
        for byte in request[:300]:
            sock.sendall(bytes([byte]))
        sock.sendall(request[300:] + LAST)
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.count(b"3.0") == 20_000


def test_an_offer_does_not_lift_the_limits(client):
    (found,) = exchange(client, post(H2C, bytes(200_000))[:1000])
    assert found[0] == 413
    head = b"POST / HTTP/1.1\r\n%bContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" % H2C
    (found,) = exchange(client, head)
    assert found[0] == 400


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_with_http2(client):
    url = f"{client.base}/v1/models/m:predict"
    done = subprocess.run(
        ["curl", "-sS", "--http2", "--noproxy", "*", "-d", BODY.decode(), url, "--next", "-sS", "--noproxy", "*", url],
        capture_output=True,
        text=True,
    )
    assert '"predictions": [3.0' in done.stdout, done
    assert "Malformed request: GET /v1/models/m:predict" in done.stdout


def test_connect_is_refused_once(client):
    (found,) = exchange(client, b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n" + LAST)
    assert found[0] == 400


def test_http_1_0_keeps_the_connection_if_asked_to(client):
    kept = b"Connection: Keep-Alive\r\n"
    found = exchange(client, post(kept, version=b"1.0") * 2 + post(version=b"1.0"))
    assert predictions(found) == [[3.0]] * 3
    connection = [re.findall(rb"(?m)^Connection: (\S+)", head) for _, head, _ in found]
    assert connection == [[b"keep-alive"], [b"keep-alive"], [b"close"]]


def test_http_1_1_does_not_say_what_goes_without_saying(client):
    found = exchange(client, post() + LAST)
    assert [b"Connection:" in head for _, head, _ in found] == [False, True]


def test_http_1_0_gets_no_interim_answer(client):
    (found,) = exchange(client, post(b"Expect: 100-continue\r\n", version=b"1.0"))
    assert (found[0], predictions([found])) == (200, [[3.0]])


def test_an_interim_answer_does_not_overtake(client):
    """A client that pipelines would take it for the answer's own."""
    found = exchange(client, post() + post(b"Expect: 100-Continue\r\n")[: -len(BODY)] + BODY + LAST)
    assert [status for status, _, _ in found if status != 100] == [200] * 3
    assert found[0][0] == 200


@pytest.mark.parametrize("host", [b"http://x", b"HTTP://example.org:8501", b"https://u@[::1]:80"])
def test_absolute_targets(client, host):
    get = b"GET %b/v1/models/m HTTP/1.1\r\nHost: x\r\n\r\n" % host
    found = exchange(client, post(target=host + b"/v1/models/m:predict") + get + LAST)
    assert [status for status, _, _ in found] == [200] * 3
    assert b"AVAILABLE" in found[1][2]
    (found,) = exchange(client, b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % host)
    assert found[0] == 404


def test_a_client_behind_a_forward_proxy(client):
    """urllib sends the absolute form to a proxy; here the server itself stands for the proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": client.base}))
    with opener.open("http://model.example/v1/models/m:predict", BODY, timeout=20) as response:
        assert json.load(response) == {"predictions": [3.0]}


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", ZIPPED),
        (b"x-gzip", ZIPPED),
        (b"identity, gzip", ZIPPED),
        (b"identity\r\nContent-Encoding: gzip", ZIPPED),
        (b"identity", BODY),
        (b"gzip", gzip.compress(BODY[:7]) + gzip.compress(BODY[7:15]) + gzip.compress(BODY[15:])),
    ],
)
def test_content_codings(client, coding, body):
    found = exchange(client, post(b"Content-Encoding: %b\r\n" % coding, body) + post() + LAST)
    assert predictions(found) == [[3.0], [3.0]]


@pytest.mark.parametrize(
    ("coding", "body", "status", "message"),
    [
        (b"gzip", BODY, 400, "The gzip body cannot be inflated"),
        (b"gzip", ZIPPED[:-3], 400, "it is cut off"),
        (b"gzip", gzip.compress(bytes(200_000)), 413, "more than 100000 bytes"),
        (b"br", BODY, 415, "Content-Encoding 'br' is not supported; send gzip, or the body as it is"),
    ],
)
def test_a_broken_body_is_answered_in_json_and_in_its_turn(client, coding, body, status, message):
    found = exchange(client, post() + post(b"Content-Encoding: %b\r\n" % coding, body) + post() + LAST)
    assert [each[0] for each in found] == [200, status, 200, 200]
    assert b"Content-Type: application/json" in found[1][1]
    assert message in json.loads(found[1][2])["error"]


def test_a_browser_can_call_with_a_token(models, tmp_path):
    file = tmp_path / "tokens"
    file.write_text(TOKEN)
    file.chmod(0o600)
    base = {"model_base_path": str(models / "half_plus_two"), "model_name": "m", "tokens_file": str(file)}
    preflight = {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    with running(**base, rest_api_enable_cors_support=True) as client:
        url = f"{client.base}/v1/models/m:predict"
        response = client.session.options(url, headers=preflight, timeout=20)
        assert response.status_code == 200
        allowed = {name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
        assert {"authorization", "content-type"} <= allowed
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        refused = client.post("m:predict", {"instances": [2.0]}, headers={"Origin": "https://page.example"})
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "*")
        bearer = {"Origin": "https://page.example", "Authorization": f"Bearer {TOKEN}"}
        assert client.post("m:predict", {"instances": [2.0]}, headers=bearer).json() == {"predictions": [3.0]}
    with running(**base) as client:
        url = f"{client.base}/v1/models/m:predict"
        assert client.session.options(url, headers=preflight, timeout=20).status_code == 401
