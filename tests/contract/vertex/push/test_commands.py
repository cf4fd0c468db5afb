"""Commands on a pushed model: versions, traffic, rollback, batch predictions, monitoring."""

from __future__ import annotations

import json

import pytest

from tests.contract.vertex.push.endpoint_state import UPDATE, shares


def test_commands_show_split_and_roll_back(vertex, hilir, pushed, config) -> None:
    pushed(1)
    pushed(2)
    assert hilir("vertex", "traffic", *config, "2=30", "1=70").out == "v2 30 %, v1 70 %\n"
    shown = hilir("vertex", "show", *config).out.splitlines()[1:]
    assert [line.split()[0] for line in shown] == ["v2", "v1"]
    assert hilir("vertex", "rollback", *config).out == "before: v2 30 %, v1 70 %\nnow:    v1 100 %\n"
    assert "no older version" in hilir("vertex", "rollback", *config, code=4).err
    assert "add up to 90" in hilir("vertex", "traffic", *config, "2=30", "1=60", code=2).err


def test_missing_endpoint_is_a_sentence(vertex, hilir, config) -> None:
    assert "there is no endpoint taxi in europe-west4 of test-project" in hilir("vertex", "show", *config, code=4).err


@pytest.mark.parametrize("kind", ["drop after", "drop before"])
def test_batch_prediction_is_made_once(vertex, hilir, pushed, config, kind) -> None:
    pushed(1)
    vertex.store.faults.add("POST .*/batchPredictionJobs", kind)
    assert "created the batch prediction" in hilir("vertex", "batch-predict", *config, "--version", "1").out
    (job,) = vertex.store.all("batchPredictionJobs").values()
    assert job.model.endswith("/models/taxi@v1")
    assert list(job.input_config.gcs_source.uris) == ["gs://test-bucket/new/*.jsonl"]
    assert job.output_config.gcs_destination.output_uri_prefix == "gs://test-bucket/predictions/taxi"
    assert "not found" in hilir("vertex", "batch-predict", *config, "--version", "9", code=4).err
    printed = json.loads(hilir("vertex", "batch-predict", *config, "--dry-run").out)
    assert printed["dedicatedResources"]["maxReplicaCount"] == 4


LOG = {"table": "bq://test-project.logs.taxi", "sampling": 0.5}


def test_endpoint_without_a_log_is_not_monitored(vertex, hilir, pushed, config) -> None:
    pushed(1)
    told = (
        "the endpoint taxi logs no requests, so there is nothing to analyse; name a table in vertex.push.request_log "
        "and let a run push a version, or set the variable request_log of deploy/vertex if Terraform made the endpoint"
    )
    assert told in hilir("vertex", "monitor", *config, code=4).err
    assert vertex.store.all("modelMonitors") == {}


def test_requests_are_logged_from_the_push_on_that_asks_for_it(vertex, pushed) -> None:
    pushed(1)
    pushed(2, request_log=LOG)
    (endpoint,) = vertex.store.all("endpoints").values()
    log = endpoint.predict_request_response_logging_config
    assert (log.enabled, log.sampling_rate, log.bigquery_destination.output_uri) == (True, 0.5, LOG["table"])
    before = len(vertex.store.made(UPDATE))
    pushed(2, request_log=LOG | {"sampling": 0.1})
    assert len(vertex.store.made(UPDATE)) == before, "one that logs stays as it is"
    assert shares(vertex) == {"taxi-v2": 100}


def test_monitor_is_made_then_updated(vertex, hilir, pushed, config) -> None:
    from pathlib import Path

    schemas = vertex.store.buckets / "test-bucket/schemas"
    schemas.mkdir()
    (schemas / "taxi.pbtxt").write_text(Path("configs/schemas/taxi.pbtxt").read_text())
    pushed(1, request_log=LOG)
    vertex.store.faults.add("POST .*/modelMonitors$", "drop after")
    for _ in range(2):
        assert "analysis projects/" in hilir("vertex", "monitor", *config).out
    (monitor,) = vertex.store.all("modelMonitors").values()
    fields = {field.name: field.data_type for field in monitor.model_monitoring_schema.feature_fields}
    assert fields["fare"] == "float"
    assert fields["payment_type"] == "categorical"
    assert "tips" not in fields
    assert len(vertex.store.all("analyses")) == 2
    cron = ("--set", "vertex.monitoring.cron=0 6 * * *")
    for _ in range(2):
        assert "/schedules/" in hilir("vertex", "monitor", *config, *cron).out
    (schedule,) = vertex.store.all("schedules").values()
    monitoring = schedule.create_model_monitoring_job_request.model_monitoring_job.model_monitoring_spec
    (channel,) = monitoring.notification_spec.notification_channel_configs
    assert channel.notification_channel == "projects/p/notificationChannels/5"
    objective = monitoring.objective_spec
    assert list(objective.tabular_objective.feature_drift_spec.features) == ["fare"]
    assert objective.target_dataset.vertex_endpoint_logs.endpoints[0].endswith("/endpoints/taxi")
