"""The log of requests: sampled, redacted, rotated, bounded, and readable after a crash."""

import json
import threading

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2, prediction_service_pb2_grpc, regression_pb2

from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.telemetry.log_files import RotatingFile, tf_record
from hilir.serving.server.telemetry.metrics import Metrics
from hilir.serving.server.telemetry.request_log import LogOptions, RequestLog
from tests.integration.serving.server_process import running, wait_until


def records(path):
    return [prediction_log_pb2.PredictionLog.FromString(bytes(r.numpy())) for r in tf.data.TFRecordDataset(str(path))]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_both_formats(models, tmp_path):
    prefix = tmp_path / "log" / "requests"
    with running(model_base_path=str(models / "half_plus_two"), model_name="m", request_log=str(prefix)) as client:
        client.post("m:predict", {"instances": [1.0, 2.0]}, headers={"X-Request-Id": "one"})
        client.post("m:classify", {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]})
        client.post("m:predict", {"instances": ["wrong"]})
        with client.channel() as channel:
            request = regression_pb2.RegressionRequest()
            request.model_spec.name = "m"
            request.model_spec.signature_name = "regress_x_to_y"
            request.input.example_list.examples.add().features.feature["x"].float_list.value.append(2.0)
            prediction_service_pb2_grpc.PredictionServiceStub(channel).Regress(request, timeout=30)
    first, second, third = lines(prefix.with_suffix(".jsonl"))
    assert first["request_id"] == "one"
    assert (first["model"], first["version"], first["protocol"]) == ("m", 123, "REST")
    assert (first["inputs"], first["outputs"]) == ({"x": [1.0, 2.0]}, {"y": [2.5, 3.0]})
    assert second["inputs"] == [{"x": [2.0]}]
    assert (second["method"], third["method"], third["protocol"]) == ("classify", "regress", "GRPC")
    predict, classify, regress = records(prefix.with_suffix(".tfrecord"))
    assert np.array_equal(tf.make_ndarray(predict.predict_log.request.inputs["x"]), np.float32([1, 2]))
    assert np.array_equal(tf.make_ndarray(predict.predict_log.response.outputs["y"]), np.float32([2.5, 3]))
    assert classify.classify_log.response.result.classifications[0].classes[0].score == 3.0
    assert regress.regress_log.response.result.regressions[0].value == 3.0
    assert predict.log_metadata.model_spec.version.value == 123


def test_redaction_and_sampling(models, tmp_path):
    prefix = tmp_path / "requests"
    with running(
        model_base_path=str(models / "half_plus_two"),
        model_name="m",
        request_log=str(prefix),
        request_log_rate=0.5,
        redact=("x",),
    ) as client:
        for _ in range(200):
            client.post("m:predict", {"instances": [20.40625]})
        client.post("m:regress", {"signature_name": "regress_x_to_y", "examples": [{"x": 20.40625}]})
    logged = lines(prefix.with_suffix(".jsonl"))
    assert 60 < len(logged) < 140
    assert {str(entry["inputs"]) for entry in logged if entry["method"] == "predict"} == {"{'x': 'REDACTED'}"}
    assert logged[-1]["inputs"] == [{"x": "REDACTED"}] or logged[-1]["method"] == "predict"
    assert "20.40625" not in prefix.with_suffix(".jsonl").read_text()
    assert np.float32(20.40625).tobytes() not in prefix.with_suffix(".tfrecord").read_bytes()


def test_a_models_own_logging_config(models, tmp_path):
    prefix = tmp_path / "own"
    config = tmp_path / "models.config"
    config.write_text(
        f"""model_config_list {{ config {{ name: "m" base_path: "{models / "half_plus_two"}"
        model_platform: "tensorflow" logging_config {{
          log_collector_config {{ type: "file" filename_prefix: "{prefix}" }}
          sampling_config {{ sampling_rate: 1.0 }} }} }} }}"""
    )
    with running(model_config_file=str(config)) as client:
        client.post("m:predict", {"instances": [1.0]})
    assert len(lines(prefix.with_suffix(".jsonl"))) == 1


def test_rotation_is_bounded_and_loses_nothing_that_is_kept(models, tmp_path):
    prefix = tmp_path / "requests"
    with running(
        model_base_path=str(models / "half_plus_two"),
        model_name="m",
        request_log=str(prefix),
        request_log_max_bytes=4000,
        request_log_max_files=3,
    ) as client:
        for number in range(60):
            client.post("m:predict", {"instances": [float(number)]}, headers={"X-Request-Id": f"r{number}"})
    files = sorted(tmp_path.glob("requests*.jsonl"))
    assert 2 <= len(files) <= 3
    assert all(file.stat().st_size <= 4000 for file in files)
    numbers = sorted(int(entry["request_id"][1:]) for file in files for entry in lines(file))
    assert numbers == list(range(numbers[0], 60))


@pytest.mark.parametrize("cut", [1, 5, 13])
def test_a_torn_last_record_does_not_spoil_what_follows(tmp_path, cut):
    path = tmp_path / "log.tfrecord"
    log = RotatingFile(path, 1 << 20, 2)
    for number in range(3):
        log.append(tf_record(b"record %d" % number))
    log.close()
    path.write_bytes(path.read_bytes()[:-cut])
    again = RotatingFile(path, 1 << 20, 2)
    again.append(tf_record(b"later"))
    again.close()
    kept = [bytes(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    assert kept == [b"record 0", b"record 1", b"later"]


def test_a_full_disk_does_not_stop_the_server(models, tmp_path):
    prefix = tmp_path / "requests"
    prefix.with_suffix(".tfrecord").mkdir()
    with running(model_base_path=str(models / "half_plus_two"), model_name="m", request_log=str(prefix)) as client:
        assert client.post("m:predict", {"instances": [1.0]}).status_code == 200
        wait_until(lambda: "hilir_request_log_dropped{} 1" in client.get("/metrics").text)


def test_a_record_that_no_file_may_hold_is_not_written(models, tmp_path, caplog):
    prefix = tmp_path / "requests"
    with running(
        model_base_path=str(models / "half_plus_two"),
        model_name="m",
        request_log=str(prefix),
        request_log_max_bytes=4000,
    ) as client:
        assert client.post("m:predict", {"instances": [1.0] * 2000}).status_code == 200
        assert client.post("m:predict", {"instances": [1.0] * 480}).status_code == 200
        assert client.post("m:predict", {"instances": [1.0]}).status_code == 200
        wait_until(lambda: "hilir_request_log_dropped{} 2" in client.get("/metrics").text)
    assert len(lines(prefix.with_suffix(".jsonl"))) == 1
    assert "bytes, and a log file may have 4000. Raise --request-log-max-bytes" in caplog.text


class Slow:
    """A record that is not written before the test allows it."""

    model, request_id, size = "m", "one", 1000

    def __init__(self, may_go):
        self.may_go = may_go

    def json_line(self, _redact):
        self.may_go.wait()
        return b"{}\n"

    def prediction_log(self, _redact, _rate):
        return b""


def test_records_that_wait_are_in_the_budget_of_requests(tmp_path):
    budget, metrics, may_go = MemoryBudget(10_000), Metrics(), threading.Event()
    log = RequestLog({}, LogOptions(str(tmp_path / "log")), metrics, budget)
    for _ in range(5):
        log.offer(Slow(may_go))
    # A record counts four times: as it is, and as it is written.
    assert budget.held == 8000
    assert metrics.log_dropped.total() == 3
    may_go.set()
    log.close()
    assert budget.held == 0
    assert lines(tmp_path / "log.jsonl") == [{}, {}]
