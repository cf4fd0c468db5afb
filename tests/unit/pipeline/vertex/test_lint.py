"""What cannot run on Vertex AI is refused with the alternative."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.config import load
from pipeline.runners.vertex.lint import check_config, check_job
from tests.golden.render import FOLDER, SETTINGS


@pytest.fixture
def job() -> dict[str, Any]:
    result: dict[str, Any] = json.loads((FOLDER / "digits.json").read_text())
    return result


def container(job: dict[str, Any], step: str) -> dict[str, Any]:
    found: dict[str, Any] = job["pipelineSpec"]["deploymentSpec"]["executors"][f"{step}_executor"]["container"]
    return found


def test_the_reviewed_job_has_no_fault(job: dict[str, Any]) -> None:
    assert check_job(job) == []


def test_local_paths_of_the_configuration_are_refused_with_the_alternative() -> None:
    config = load("configs/digits.yaml", (), ["vertex.bucket=my-bucket"]).config
    assert check_config(config) == [
        "pipeline.root: 'out/pipelines' is on this machine, which Vertex AI does not see; give a bucket: "
        "pipeline.root=gs://my-bucket/pipelines",
        "serving.root: 'out/models' is on this machine, which Vertex AI does not see; give a bucket: "
        "serving.root=gs://my-bucket/models",
        "data.path: 'data/digits' is on this machine, which Vertex AI does not see; copy it to a bucket and give that "
        "path: data.path=gs://my-bucket/data/digits",
        "schema.path: 'configs/schemas/digits.pbtxt' is on this machine, which Vertex AI does not see; copy it to a "
        "bucket and give that path: schema.path=gs://my-bucket/schemas/digits.pbtxt",
        "vertex.image: is not given; name the image of the steps, for example REGION-docker.pkg.dev/…:TAG",
    ]


def test_the_overlay_has_no_fault() -> None:
    assert check_config(load("configs/taxi.yaml", ["configs/overlays/vertex.yaml"], SETTINGS).config) == []


@pytest.mark.parametrize("path", ["/home/someone/data", "file:/data/x", '{"base": {"path": ["/home/me/x.csv"]}}'])
def test_local_paths_in_values_are_refused(job: dict[str, Any], path: str) -> None:
    parameters = job["pipelineSpec"]["root"]["dag"]["tasks"]["SchemaGen"]["inputs"]["parameters"]
    parameters["schema_file"]["runtimeValue"]["constant"] = path
    (fault,) = check_job(job)
    assert fault.startswith("step SchemaGen, schema_file: '")
    assert fault.endswith("' is on this machine; copy it to a bucket and give its gs:// path")


@pytest.mark.parametrize("path", ["gs://b/a/b", "/gcs/bucket/data", "a/b", "/", "1/2", "/tmp/scratch"])
def test_other_values_are_not_taken_for_local_paths(job: dict[str, Any], path: str) -> None:
    parameters = job["pipelineSpec"]["root"]["dag"]["tasks"]["SchemaGen"]["inputs"]["parameters"]
    parameters["schema_file"]["runtimeValue"]["constant"] = path
    assert check_job(job) == []


def test_local_paths_in_arguments_and_a_local_root_are_refused(job: dict[str, Any]) -> None:
    container(job, "Transform")["args"].append("--temp_location=/home/me/tmp")
    job["runtimeConfig"]["gcsOutputDirectory"] = "out/pipelines"
    assert check_job(job) == [
        "runtimeConfig.gcsOutputDirectory: 'out/pipelines' is no bucket; set pipeline.root to gs://BUCKET/pipelines",
        "step Transform: the argument '/home/me/tmp' is a path of this machine; give a gs:// path",
    ]


@pytest.mark.parametrize("image", ["hilir", "host:5000/hilir", "host/hilir@sha256:12", "host/a:b/hilir", "hilir:"])
def test_images_without_tag_or_digest_are_refused(job: dict[str, Any], image: str) -> None:
    container(job, "Trainer")["image"] = image
    assert check_job(job) == [
        f"the image '{image}' (Trainer) has neither tag nor digest; pin it, for example '{image}:1.0'"
    ]


@pytest.mark.parametrize("image", ["hilir:1", "host:5000/a/b:v1.2-3", f"host/hilir@sha256:{'0' * 64}"])
def test_pinned_images_pass(job: dict[str, Any], image: str) -> None:
    container(job, "Trainer")["image"] = image
    assert check_job(job) == []


def test_executors_of_scripts_are_refused(job: dict[str, Any]) -> None:
    container(job, "DataGate")["args"][1] = "__main__.DataGate_Executor"
    assert check_job(job) == [
        "step DataGate: its executor __main__.DataGate_Executor is defined in a script, which no container can import; "
        "move it into a package that is in the image"
    ]


def test_names_are_checked(job: dict[str, Any]) -> None:
    job["pipelineSpec"]["pipelineInfo"]["name"] = "Digits_1"
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    tasks["my step"] = tasks.pop("Pusher")
    job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]["1st"] = {"parameterType": "STRING"}
    assert [fault.partition(": ")[0] for fault in check_job(job)] == [
        "the pipeline's name 'Digits_1'",
        "step 'my step'",
        "parameter '1st'",
    ]


def test_unknown_fields_are_refused(job: dict[str, Any]) -> None:
    job["pipelineSpec"]["root"]["dag"]["tasks"]["Trainer"]["retries"] = 3
    (fault,) = check_job(job)
    assert 'no field named "retries"' in fault


def test_dangling_parts_are_refused(job: dict[str, Any]) -> None:
    del job["pipelineSpec"]["deploymentSpec"]["executors"]["Trainer_executor"]
    job["pipelineSpec"]["root"]["dag"]["tasks"]["Pusher"]["dependentTasks"] = ["Nobody"]
    assert check_job(job) == [
        "component Trainer: there is no executor 'Trainer_executor'; compile again",
        "root: task Pusher: waits for 'Nobody', which is no task here; compile again",
    ]
