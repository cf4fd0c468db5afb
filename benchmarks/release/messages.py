"""What splitting gRPC costs: `python -m benchmarks.release.messages [--rounds 5]`.

A real Envoy on this machine, the stock client, and a replica that answers without reading. Four ways in turns, so that
a busy machine is busy for all: straight to the replica; through the gateway by a method that it does not read (as all
gRPC went before it was split); with a version in the message, which is read and sent on as it is; without one, so that
the gateway puts the release's version in. Writes its section of benchmarks/release/RESULTS.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import grpc
from tensorflow_serving.apis import predict_pb2

from benchmarks.machine import describe_machine
from benchmarks.release.results import write_section
from tests.integration.release.place import gateway_running
from tests.integration.serving.server_process import ROOT

MODEL = "half"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
# The gateway passes it on without reading the message; the replica answers everything alike.
UNREAD = "/tensorflow.serving.ModelService/GetModelStatus"
SIZES = {"1 kB": (1_000, 200), "1 MB": (1_000_000, 20), "60 MB": (60_000_000, 2)}
_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Replica(grpc.GenericRpcHandler):
    """Answers every call with an empty message."""

    def service(self, _call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda _message, _context: b"")


def serve() -> None:
    """The process of the replica: prints its port, and ends with its input."""
    server = grpc.server(ThreadPoolExecutor(2), options=_UNLIMITED)
    server.add_generic_rpc_handlers((Replica(),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None)


@contextlib.contextmanager
def replica_running() -> Iterator[int]:
    words = [sys.executable, "-m", "benchmarks.release.messages", "--replica"]
    process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(30)


def write_release(root: Path) -> None:
    """A release with version 1 stable and version 2 at 30 %."""
    from hilir.serving.release import transitions
    from hilir.serving.releases.state import State

    state = State(model=MODEL, served_root=str(root))
    for number in (1, 2):
        state = transitions.verify(transitions.add_loaded(state, number, "hash"), number)
    state = transitions.canary(transitions.promote(transitions.stage(state, 1)), 2, 30)
    (root / MODEL).mkdir(parents=True)
    (root / MODEL / "release.json").write_text(json.dumps(state.to_json()))


def make_request(size: int, version: int | None) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    if version is not None:
        request.model_spec.version.value = version
    request.inputs["x"].tensor_content = bytes(size)
    return request.SerializeToString()


def make_ways(straight: grpc.Channel, through: grpc.Channel, size: int) -> dict[str, Callable[[], object]]:
    """The four ways, by the names that the table gives them."""
    plain, chosen = make_request(size, None), make_request(size, 1)
    predict, unread = through.unary_unary(PREDICT), through.unary_unary(UNREAD)
    to_replica = straight.unary_unary(PREDICT)
    return {
        "straight": lambda: to_replica(plain, timeout=120),
        "gateway, not read": lambda: unread(plain, timeout=120),
        "version given": lambda: predict(chosen, timeout=120),
        "version put in": lambda: predict(plain, timeout=120),
    }


def measure(ways: dict[str, Callable[[], object]], calls: int, rounds: int) -> dict[str, list[float]]:
    """Returns the milliseconds of each call per way; rounds go through all ways in turns, the first does not count."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(rounds + 1):
        for name, call in ways.items():
            for _ in range(calls):
                began = time.perf_counter()
                call()
                if round_number:
                    spent[name].append((time.perf_counter() - began) * 1e3)
    return spent


def write(found: dict[str, dict[str, list[float]]], rounds: int, load: float) -> str:
    """Returns the section of RESULTS.md."""
    ways = list(next(iter(found.values())))
    table = [f"| message | {' | '.join(ways)} |", "| --- " * (len(ways) + 1) + "|"]
    for size, spent in found.items():
        cells = [f"{statistics.median(spent[way]):.2f} ({min(spent[way]):.2f}) ms" for way in ways]
        table.append(f"| {size} | {' | '.join(cells)} |")
    rows = "\n".join(table)
    return f"""`python -m benchmarks.release.messages --rounds {rounds}`, {datetime.now(UTC):%Y-%m-%d},
{describe_machine()}, load average {load:.1f} when it began.

Median (and minimum) of a unary call, one at a time, to a replica that answers without reading; one worker thread of
Envoy. From the second to the third column is what reading a message costs, to the last what putting a version in does.

{rows}
"""


def main() -> None:
    """Measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--replica", action="store_true", help="be the replica; the benchmark starts it")
    given = parser.parse_args()
    if given.replica:
        serve()
        return
    load, found = os.getloadavg()[0], {}
    with tempfile.TemporaryDirectory() as folder, replica_running() as port:
        root = Path(folder) / "models"
        write_release(root)
        with (
            gateway_running(root, [port], [port], Path(folder)) as settings,
            grpc.insecure_channel(f"127.0.0.1:{port}", _UNLIMITED) as straight,
            grpc.insecure_channel(settings.listen, _UNLIMITED) as through,
        ):
            for name, (size, calls) in SIZES.items():
                found[name] = measure(make_ways(straight, through, size), calls, given.rounds)
                print(name, {way: statistics.median(values) for way, values in found[name].items()}, flush=True)
    write_section("What splitting gRPC costs", write(found, given.rounds, load))


if __name__ == "__main__":
    main()
