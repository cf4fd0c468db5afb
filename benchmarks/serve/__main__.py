"""`python -m benchmarks.serve`: the table of figures, measured side by side in one run, into RESULTS.md.

Every load comes from another process; all of them share this machine's cores, as the figures' targets assume.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import psutil

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
FLAGS = ("--model_name=digits",)


def run_module(module: str, *arguments: str) -> dict:
    """Run one of the helper modules, and read the JSON that it prints."""
    # A file, not a pipe: a megabyte of JSON was cut at the pipe's 64 KiB once.
    with tempfile.TemporaryFile("w+") as out:
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{module} failed:\n{done.stderr[-2000:]}")
        out.seek(0)
        return json.loads(out.read().strip().splitlines()[-1])


def load(protocol: str, port: int, body: Path, clients: int, seconds: float, path: str = "", **more) -> dict:
    flags = [f"--{key}={value}" for key, value in more.items() if value is not True]
    flags += [f"--{key}" for key, value in more.items() if value is True]
    return run_module(
        "benchmarks.serve.load",
        protocol,
        "--port",
        str(port),
        "--body",
        str(body),
        "--clients",
        str(clients),
        "--seconds",
        str(seconds),
        "--path",
        path,
        *flags,
    )


@contextlib.contextmanager
def server(*flags: str):
    """Our server as a process of its own."""
    from tests.integration.serving.server_process import spawned

    with spawned(*flags, wait=120) as client:
        if client.process.poll() is not None:
            raise SystemExit("".join(client.lines))
        yield client


@contextlib.contextmanager
def fastapi_server(model: Path):
    """The baseline: FastAPI on uvicorn."""
    import requests

    from tests.integration.serving.server_process import free_port, wait_until

    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serve.fastapi_server", str(model), str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def up() -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"http://127.0.0.1:{port}/docs", timeout=1).ok
        return False

    try:
        wait_until(up, 120, "the FastAPI server")
        yield port
    finally:
        process.terminate()
        process.wait()


def make_inputs(folder: Path) -> tuple[Path, Path, Path]:
    """Bodies for digits (JSON and protobuf), and a 3 MB JSON image batch."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    image = np.random.default_rng(0).integers(0, 17, (1, 8, 8)).astype(np.float32)
    body, proto, large = folder / "body.json", folder / "body.pb", folder / "large.json"
    body.write_text(json.dumps({"instances": image.tolist()}))
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "digits"
    request.inputs["image"].CopyFrom(tf.make_tensor_proto(image))
    proto.write_bytes(request.SerializeToString())
    picture = np.random.default_rng(0).random((1, 224, 224, 3)).astype(np.float32)
    large.write_text(json.dumps({"instances": picture.tolist()}))
    return body, proto, large


def make_image_model(path: Path) -> None:
    """A model that costs nothing, so that the JSON is what is measured."""
    import tensorflow as tf

    module = tf.Module()
    module.serve = tf.function(
        lambda image: {"mean": tf.reduce_mean(image, [1, 2, 3])},
        input_signature=[tf.TensorSpec([None, 224, 224, 3], tf.float32, name="image")],
    )
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})


def measure_throughput(rows: list, model: Path, body: Path, proto: Path, seconds: float) -> float:
    """In-process, ours and FastAPI, each in turn and twice, so that a busy moment hits no one alone."""
    path = "/v1/models/digits:predict"
    found: dict[str, list[dict]] = {key: [] for key in ("loop", "one", "rest", "grpc", "fastapi")}
    base = str(model.parent)
    for _ in range(2):
        found["loop"].append(run_module("benchmarks.serve.in_process", str(model), str(seconds)))
        with server(f"--model_base_path={base}", *FLAGS) as client:
            found["one"].append(load("rest", client.rest_port, body, 1, seconds, path))
        with server(f"--model_base_path={base}", *FLAGS, "--enable_batching") as client:
            found["rest"].append(load("rest", client.rest_port, body, 64, seconds, path))
            found["grpc"].append(load("grpc", client.port, proto, 64, seconds))
        with fastapi_server(model) as port:
            found["fastapi"].append(load("rest", port, body, 64, seconds, "/predict"))
    best = {key: max(runs, key=lambda run: run["per_second"]) for key, runs in found.items()}
    one_p50, loop_p50 = (min(run["p50_ms"] for run in found[key]) for key in ("one", "loop"))
    loop = best["loop"]["per_second"]
    rows.append(("in-process ConcreteFunction, batch 1", describe(best["loop"]), "", ""))
    rows.append(
        ("REST, 1 connection: p50 above in-process", describe(best["one"]), "≤ 1.0 ms", f"{one_p50 - loop_p50:+.3f} ms")
    )
    rows.append(
        (
            "REST, 64 connections, batching, against in-process",
            describe(best["rest"]),
            "≥ 2.5 ×",
            f"{best['rest']['per_second'] / loop:.2f} ×",
        )
    )
    rows.append(
        (
            "gRPC, 64 calls at a time, batching, against in-process",
            describe(best["grpc"]),
            "≥ 2 ×",
            f"{best['grpc']['per_second'] / loop:.2f} ×",
        )
    )
    rows.append(("FastAPI on uvicorn, 64 connections", describe(best["fastapi"]), "", ""))
    rows.append(
        (
            "REST, 64 connections, against FastAPI",
            describe(best["rest"]),
            "≥ 4 ×",
            f"{best['rest']['per_second'] / best['fastapi']['per_second']:.2f} ×",
        )
    )
    return best["rest"]["per_second"]


def describe(result: dict) -> str:
    return f"p50 {result['p50_ms']} ms, p99 {result['p99_ms']} ms, {result['per_second']:.0f}/s"


def measure_large_json(rows: list, folder: Path, large: Path) -> None:
    """The server's own time for a 3 MB body, all of it, against json.loads and numpy here."""
    make_image_model(folder / "image" / "1")
    body = large.read_bytes()
    with server(f"--model_base_path={folder / 'image'}", "--model_name=image") as client:
        for _ in range(5):
            client.post("image:predict", body)
        before = latency_sum(client)
        naive = []
        for _ in range(20):
            assert client.post("image:predict", body).status_code == 200
            start = time.perf_counter()
            np.array(json.loads(body)["instances"], dtype=np.float32)
            naive.append(time.perf_counter() - start)
        ours = (latency_sum(client) - before) / 20 / 1e3
    plain = float(np.median(naive)) * 1e3
    text = f"server {ours:.1f} ms (whole request), json.loads + numpy {plain:.1f} ms"
    rows.append(
        ("3 MB JSON image batch: server time against json.loads + numpy", text, "≤ 0.35", f"{ours / plain:.2f}")
    )


def latency_sum(client) -> float:
    """Microseconds of all predict requests so far."""
    prefix = ':tensorflow:serving:request_latency_sum{model_name="image",API="predict"'
    line = next(line for line in client.get("/metrics").text.splitlines() if line.startswith(prefix))
    return float(line.split()[-1])


def measure_swaps(rows: list, folder: Path, model: Path, body: Path) -> None:
    """Ten version swaps under 200 requests/s."""
    base = folder / "swaps"
    shutil.copytree(model, base / "1")
    with server(f"--model_base_path={base}", *FLAGS) as client:
        result: dict = {}
        # The load runs by itself; versions are published beside it.
        loading = threading.Thread(
            target=lambda: result.update(
                load("rest", client.rest_port, body, 32, 28, "/v1/models/digits:predict", rate=200, raw=True)
            )
        )
        loading.start()
        time.sleep(7)
        swaps = []
        for version in range(2, 12):
            shutil.copytree(model, folder / "staged")
            start = time.time()
            (folder / "staged").rename(base / str(version))
            while client.post("digits:predict", body.read_bytes()).headers["X-Model-Version"] != str(version):
                time.sleep(0.02)
            swaps.append((start, time.time() + 0.3))
            time.sleep(0.2)
        loading.join()
    before = sorted(t for at, t, _ in result["rows"] if at < swaps[0][0])
    during = sorted(t for at, t, _ in result["rows"] if any(a <= at <= b for a, b in swaps))
    p99_before, p99_during = (values[int(len(values) * 0.99) - 1] for values in (before, during))
    counts = f"{len(result['rows'])} requests, {result['failed']} failed"
    text = f"{counts}; p99 {p99_before:.2f} ms before, {p99_during:.2f} ms during"
    rows.append(("10 version swaps under 200 requests/s: failed requests", text, "0", str(result["failed"])))
    rows.append(("p99 during a swap against before", text, "≤ 3 ×", f"{p99_during / p99_before:.2f} ×"))


def measure_memory(rows: list, model: Path, body: Path, capacity: float, seconds: float) -> None:
    """Resident memory after a warm-up minute's worth of load, and at the end."""
    with server(f"--model_base_path={model.parent}", *FLAGS, "--enable_batching") as client:
        process = psutil.Process(client.process.pid)
        path = "/v1/models/digits:predict"
        load("rest", client.rest_port, body, 64, 8, path, rate=capacity / 2)
        start = process.memory_info().rss
        load("rest", client.rest_port, body, 64, seconds, path, rate=capacity / 2)
        end = process.memory_info().rss
    growth = (end - start) / start * 100
    text = f"{start / 2**20:.0f} MiB to {end / 2**20:.0f} MiB at {capacity / 2:.0f} requests/s"
    rows.append((f"{seconds:.0f} s at half capacity: resident memory growth", text, "< 5 %", f"{growth:+.1f} %"))


def write(rows: list) -> None:
    lines = [
        "# Model server: figures",
        "",
        f"`python -m benchmarks.serve`, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}; load average at the end {os.getloadavg()[0]:.1f}. "
        "Server and load generator share the cores.",
        "",
        "| figure | measured | target | result |",
        "| --- | --- | --- | --- |",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]
    (HERE / "RESULTS.md").write_text("\n".join(lines))
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load")
    parser.add_argument("--soak-seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=("throughput", "json", "swaps", "memory"))
    arguments = parser.parse_args()
    from tests.integration.serving import saved_models

    rows: list = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "digits" / "1"
        saved_models.digits(model)
        body, proto, large = make_inputs(folder)
        capacity = 4000.0
        if arguments.only in (None, "throughput"):
            capacity = measure_throughput(rows, model, body, proto, arguments.seconds)
        if arguments.only in (None, "json"):
            measure_large_json(rows, folder, large)
        if arguments.only in (None, "swaps"):
            measure_swaps(rows, folder, model, body)
        if arguments.only in (None, "memory"):
            measure_memory(rows, model, body, capacity, arguments.soak_seconds)
    write(rows)


if __name__ == "__main__":
    main()
