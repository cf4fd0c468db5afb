"""The server as a process of its own: flags, the seed example, signals, and being killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import grpc
import numpy as np
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.integration.serving import saved_models
from tests.integration.serving.server.test_request_log import lines, records
from tests.integration.serving.server_process import ROOT, spawned, wait_until


def run_server(*flags):
    return subprocess.run(
        [sys.executable, "-m", "hilir.serving.server", *flags],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_seed_example_and_a_graceful_end(models, tmp_path):
    from sklearn.datasets import load_digits

    images = load_digits().images
    root = tmp_path / "out" / "models"
    root.mkdir(parents=True)
    (root / "digits").symlink_to(models / "digits")
    (root / "digits").unlink()
    saved_models.digits(root / "digits" / "1")
    path = tmp_path / "grpc.sock"
    with spawned(f"--grpc_socket_path={path}", cwd=tmp_path) as client:
        url = f"http://localhost:{client.rest_port}/v1/models/digits:predict"
        response = requests.post(url, data=json.dumps({"instances": images[:1].tolist()}), timeout=10)
        (probabilities,) = response.json()["predictions"]
        assert len(probabilities) == 10
        assert abs(sum(probabilities) - 1) < 1e-5
        assert int(np.argmax(probabilities)) == 0
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "digits"
        request.inputs["image"].CopyFrom(tf.make_tensor_proto(images[:1].astype(np.float32)))
        with grpc.insecure_channel(f"unix:{path}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert len(stub.Predict(request, timeout=30).outputs["probabilities"].float_val) == 10
        client.process.send_signal(signal.SIGTERM)
        assert client.process.wait(20) == 0
    assert any("Only this machine can connect" in line for line in client.lines)


def test_requests_in_progress_are_finished_on_sigterm(models):
    with spawned(f"--model_base_path={models / 'shapes'}", "--model_name=m", "--enable_batching=true") as client:
        answers = []

        def ask():
            body = {"signature_name": "slow", "instances": [100]}
            answers.append(client.post("m:predict", body).status_code)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: "hilir_requests_in_flight{} 3" in client.get("/metrics").text)
        client.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert client.process.wait(20) == 0
    assert answers == [200, 200, 200]


def test_sigterm_closes_what_is_idle_cleanly_and_waits_for_no_staller(models):
    with spawned(f"--model_base_path={models / 'half_plus_two'}", "--model_name=m", "--drain-seconds=8") as client:
        request = b'POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 20\r\n\r\n{"instances": [1.0]}'
        idle = [socket.create_connection(("127.0.0.1", client.rest_port), 30) for _ in range(4)]
        for sock in idle:
            sock.sendall(request)
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        staller = socket.create_connection(("127.0.0.1", client.rest_port), 30)
        staller.sendall(request[:-5])
        wait_until(lambda: client.get("/healthz").status_code == 200)
        client.process.send_signal(signal.SIGTERM)
        # Closed, and not reset; the request that never came whole is refused before the drain is over.
        assert [sock.recv(1) for sock in idle] == [b""] * 4
        assert b"".join(iter(lambda: staller.recv(65536), b"")).startswith(b"HTTP/1.1 503 ")
        assert client.process.wait(20) == 0
        for sock in (*idle, staller):
            sock.close()


def test_connections_beyond_the_limit_are_refused_so_that_the_client_can_read_it(models):
    flags = (f"--model_base_path={models / 'half_plus_two'}", "--model_name=m", "--max-connections=3")
    with spawned(*flags) as client:
        client.session.close()
        body = b'{"instances": [1.0]}'
        request = b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        socks = []
        for number in range(6):
            socks.append(socket.create_connection(("127.0.0.1", client.rest_port), 30))
            # The client has begun to send when it is turned away.
            socks[-1].sendall(request + b"x" * (200_000 if number > 2 else 0))
            assert socks[-1].recv(13) == (b"HTTP/1.1 503 " if number > 2 else b"HTTP/1.1 200 ")
        for sock in socks:
            sock.close()
        codes, channels = [], []
        for _ in range(5):
            channels.append(grpc.insecure_channel(f"127.0.0.1:{client.port}", [("grpc.use_local_subchannel_pool", 1)]))
            stub = model_service_pb2_grpc.ModelServiceStub(channels[-1])
            wanted = get_model_status_pb2.GetModelStatusRequest()
            wanted.model_spec.name = "m"
            try:
                stub.GetModelStatus(wanted, timeout=10)
                codes.append("OK")
            except grpc.RpcError as error:
                codes.append(error.code().name)
        assert codes == ["OK"] * 3 + ["UNAVAILABLE"] * 2
        for channel in channels:
            channel.close()


def test_kill_during_log_rotation_and_a_swap_loses_no_record(models, tmp_path):
    base = tmp_path / "m"
    saved_models.half_plus(base / "1", 2.0)
    prefix = tmp_path / "log"
    flags = (
        f"--model_base_path={base}",
        "--model_name=m",
        f"--request-log={prefix}",
        "--request-log-max-bytes=3000",
        "--request-log-max-files=1000",
    )
    with spawned(*flags) as client:
        sent = 0
        for sent in range(300):
            client.post("m:predict", {"instances": [float(sent)]}, headers={"X-Request-Id": f"r{sent}"})
        wait_until(lambda: ':request_log_count{model_name="m",status="OK"} 300' in client.get("/metrics").text)
        wait_until(lambda: sum(len(file.read_text().splitlines()) for file in tmp_path.glob("log*.jsonl")) == 300)
        # Another version is being loaded, and records are being written, when the process is killed.
        saved_models.half_plus(tmp_path / "staged", 3.0)
        (tmp_path / "staged").rename(base / "2")
        for number in range(300, 330):
            client.post("m:predict", {"instances": [float(number)]}, headers={"X-Request-Id": f"r{number}"})
        client.process.kill()
        client.process.wait()
    with spawned(*flags) as client:
        wait_until(lambda: client.post("m:predict", {"instances": [2.0]}).headers["X-Model-Version"] == "2")
    ids = {entry["request_id"] for file in tmp_path.glob("log*.jsonl") for entry in lines(file)}
    assert {f"r{number}" for number in range(300)} <= ids
    logs = [record for file in tmp_path.glob("log*.tfrecord") for record in records(file)]
    assert len(logs) >= 300


def test_a_wrong_config_file_is_reported(tmp_path):
    config = tmp_path / "models.config"
    config.write_text("improperly formatted file")
    done = run_server(f"--model_config_file={config}")
    assert done.returncode == 3
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in done.stderr


def test_flags_of_tensorflow_serving(models):
    flags = (
        f"--model_base_path={models / 'half_plus_two'}",
        "--rest_api_enable_cors_support",
        "--enable_model_warmup=false",
        "--per_process_gpu_memory_fraction=0.5",
        "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.lb_policy_name=grpclb",
        "--tensorflow_session_parallelism=2",
        "--prefer_tflite_model=false",
        "--enable_serialization_as_tensor_content",
    )
    with spawned(*flags) as client:
        response = client.post("default:predict", {"instances": [2.0]})
        assert response.json() == {"predictions": [3.0]}
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert client.get("/monitoring/prometheus/metrics").status_code == 404
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "default"
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([2.0, 4.0])))
        with client.channel() as channel:
            output = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, 5).outputs["y"]
        assert output.tensor_content == np.float32([3.0, 4.0]).tobytes()
        taken = run_server(*flags, f"--port={client.port}", "--rest_api_port=0")
        assert taken.returncode == 3
        assert "Is another server running?" in taken.stderr
    assert run_server("--platform_config_file=x").returncode == 2
