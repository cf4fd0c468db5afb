"""The server against `google.cloud.aiplatform` as others use it: it answers that client too, and they see one world."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hilir.pipeline.vertex.client.connect import load_vertex
from hilir.pipeline.vertex.compile.identity import write_identity

PLACE = ("vertex.region=europe-west4", "vertex.project=test-project", "vertex.labels.team=blue")


@pytest.fixture
def client(vertex, monkeypatch):
    """The high-level client, pointed to the server."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform

    from tests.contract.vertex.store import PROJECT, REGION

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", vertex.address)
    aiplatform.init(
        project=PROJECT, location=REGION, api_endpoint=vertex.address, api_transport="rest",
        credentials=AnonymousCredentials(),
    )  # fmt: skip
    return aiplatform


def test_their_job_is_our_job(client, vertex, hilir, spec) -> None:
    # Without the bucket the client makes it and gives the account its roles, without asking the resource manager.
    (vertex.store.buckets / "test-bucket").rmdir()
    job = client.PipelineJob(
        display_name="theirs", template_path=spec(), job_id="theirs-1", parameter_values={"greeting": "x"}
    )
    job.submit(service_account="runner@test-project.iam.gserviceaccount.com")
    assert vertex.store.made("POST /storage/v1/b$")
    assert "theirs-1 has" not in hilir("jobs", "show", "theirs-1", "--wait").err
    assert job.state.name == "PIPELINE_STATE_SUCCEEDED"
    (line,) = json.loads(hilir("jobs", "list", "--json").out.splitlines()[-1])
    assert line["id"] == "theirs-1"


def test_their_client_takes_a_file_that_says_where_it_runs(client, vertex, hilir, spec) -> None:
    path = Path(spec())
    vertex_section = load_vertex(None, (), ["vertex.service_account=a@b-c.iam.gserviceaccount.com", *PLACE])
    job = json.loads(path.read_text())
    write_identity(job, vertex_section)
    path.write_text(json.dumps(job))
    client.PipelineJob(display_name="theirs", template_path=str(path), job_id="theirs-2").submit()
    hilir("submit", str(path))
    theirs, ours = vertex.store.all("pipelineJobs").values()
    assert (theirs.service_account, ours.service_account) == ("", "a@b-c.iam.gserviceaccount.com")
    assert dict(ours.labels) == {"team": "blue"}


def test_our_schedule_is_their_schedule(client, vertex, hilir, spec) -> None:
    hilir("schedule", "create", spec(), "--cron", "0 3 * * *", "--name", "ours")
    (theirs,) = client.PipelineJobSchedule.list(filter='display_name="ours"')
    theirs.pause()
    assert "ours                     paused" in hilir("schedule", "list").out


def test_their_model_and_endpoint(client, vertex, hilir) -> None:
    folder = vertex.store.buckets / "test-bucket/model"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"")
    image = "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
    upload = {"artifact_uri": "gs://test-bucket/model", "serving_container_image_uri": image}
    first = client.Model.upload(display_name="taxi", model_id="taxi", **upload)
    second = client.Model.upload(
        display_name="taxi", parent_model=first.resource_name, version_aliases=["v2"], **upload
    )
    assert second.version_id == "2"
    endpoint = client.Endpoint.create(display_name="taxi", endpoint_id="taxi")
    endpoint.deploy(first, deployed_model_display_name="guest", machine_type="n1-standard-4", traffic_percentage=100)
    endpoint.deploy(second, machine_type="n1-standard-4", traffic_percentage=40)
    assert sorted(endpoint.traffic_split.values()) == [40, 60]
    assert "v2      in the registry" in hilir("vertex", "show", "configs/taxi.yaml").out


def test_custom_job(client, vertex) -> None:
    pool = {
        "machine_spec": {"machine_type": "n1-standard-4"},
        "replica_count": 1,
        "container_spec": {"image_uri": "europe-docker.pkg.dev/p/h/h:1.0"},
    }
    job = client.CustomJob(display_name="train", worker_pool_specs=[pool], staging_bucket="gs://test-bucket")
    job.submit()
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    refused = client.CustomJob(
        display_name="train", worker_pool_specs=[pool | {"replica_count": 2}], staging_bucket="gs://test-bucket"
    )
    with pytest.raises(Exception, match="The first worker pool must have one replica"):
        refused.submit()
