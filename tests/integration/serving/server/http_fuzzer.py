"""Coverage-guided fuzzing of the REST port: `python -m … MODEL_BASE_PATH FOLDER SECONDS`.

Atheris counts the branches of `hilir.serving.server` that an input takes and breeds the inputs that take new ones. The
server is the real one, on a socket, in this process. Each input is the bytes of a request, or the body of one.
Ends with an error, and leaves the input in FOLDER, where an answer is missing, late or of a status that is not allowed.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hilir.serving.server"], enable_loader_override=False):
    import hilir.serving.server.app  # noqa: F401

from tests.integration.serving.raw_http import ALLOWED, exchange, post, statuses
from tests.integration.serving.server_process import running

# The first byte of an input chooses; the empty target stands for the bytes as they are.
TARGETS = [
    b"",
    b"/v1/models/shapes:predict",
    b"/v1/models/shapes/versions/1:predict",
    b"/v1/models/shapes:classify",
    b"/v1/models/shapes:regress",
    b"/v1/models/shapes/metadata",
]
SEEDS = [
    (0, b"GET /v1/models/shapes HTTP/1.1\r\nHost: a\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n"),
    (0, b"POST /v1/models/shapes:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n0\r\n\r\n"),
    (0, b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n\x1f\x8b"),
    (0, b"POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}GET http://a/ "),
    (0, b"POST / HTTP/1.1\r\nContent-Encoding: identity, x-gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"),
    (1, b'{"signature_name": "same", "instances": [1, 2.5, -3e2]}'),
    (1, b'{"signature_name": "strings", "inputs": {"text": ["a", {"b64": "aGVsbG8="}]}}'),
    (2, b'{"signature_name": "matrix", "instances": [[[1, 2], [3, 4]]]}'),
    (3, b'{"signature_name": "classes", "context": {"x": 1}, "examples": [{"x": [1.0]}, {"x": NaN}]}'),
    (4, b'{"signature_name": "half", "examples": [{"x": 1}]}'),
]
TOKENS = [
    *("instances", "inputs", "signature_name", "examples", "context", "b64", "text", "same", "strings", "matrix"),
    *("classes", "half", "uneven", "total", "add", "Content-Length: ", "Transfer-Encoding: chunked", "HTTP/1.1"),
    *("echo_float64", "echo_int8", "echo_uint64", "echo_bool", "echo_float16", "NaN", "Infinity", "null", "true"),
]


def main(base_path: str, folder: Path, seconds: str) -> None:
    """Fuzz for so many seconds, and leave the process."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, (choice, body) in enumerate(SEEDS):
        (corpus / f"seed-{number}").write_bytes(bytes([choice]) + body)
    (folder / "tokens").write_text("".join(f'"{token}"\n' for token in TOKENS))
    with running(model_base_path=base_path, model_name="shapes", max_request_bytes=1 << 20) as client:

        def send(data: bytes) -> None:
            target, body = TARGETS[data[0] % len(TARGETS)] if data else b"", data[1:]
            request = post(target, body) if target else body
            found = statuses(exchange(client.rest_port, request))
            if not set(found) <= ALLOWED or (target and not found):
                raise AssertionError(f"{request!r} was answered with {found}")

        flags = [
            f"-max_total_time={seconds}",
            "-timeout=10",
            "-max_len=1024",
            "-rss_limit_mb=0",
            "-print_final_stats=1",
        ]
        flags += [f"-dict={folder / 'tokens'}", f"-artifact_prefix={folder}/", str(corpus)]
        atheris.Setup([sys.argv[0], *flags], send)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
