"""What cannot run on Vertex AI is refused with the alternative."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hilir.pipeline.cli.main import _run
from hilir.pipeline.config import load
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.vertex.compile.job_file import write_job
from hilir.pipeline.vertex.compile.lint import check_config, check_job
from tests.golden.render import FOLDER, SETTINGS
from tests.unit.pipeline.emulator.specs import Builder


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
        "pipeline.root: 'out/pipelines' is on this machine, where Vertex AI cannot read it; give a bucket: "
        "pipeline.root=gs://my-bucket/pipelines",
        "serving.root: 'out/models' is on this machine, where Vertex AI cannot read it; give a bucket: "
        "serving.root=gs://my-bucket/models",
        "data.path: 'data/digits' is on this machine, where Vertex AI cannot read it; copy it to a bucket and give "
        "that path: data.path=gs://my-bucket/data/digits",
        "schema.path: 'configs/schemas/digits.pbtxt' is on this machine, where Vertex AI cannot read it; copy it to a "
        "bucket and give that path: schema.path=gs://my-bucket/schemas/digits.pbtxt",
        "vertex.image: is not given; name the image of the steps, for example REGION-docker.pkg.dev/…:TAG",
    ]


def test_output_that_is_a_folder_is_refused_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    configured = ["configs/digits.yaml", "--overlay", "configs/overlays/vertex.yaml", *settings]
    folder = tmp_path / "folder"
    folder.mkdir()
    assert _run(["compile", *configured, "--out", str(folder)]) == 3
    assert capsys.readouterr().err == (
        f"hilir: --out {folder}: is a folder; name a file in it, for example {folder}/pipeline.json\n"
    )
    assert list(tmp_path.rglob("*")) == [folder]


def test_output_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = f"{tmp_path}/file/digits.json"
    with pytest.raises(ConfigError) as refusal:
        write_job({}, path)
    assert str(refusal.value).startswith(f"--out {path}: cannot be written (")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ValueError, match="Circular"):
        loop: dict[str, Any] = {}
        loop["loop"] = loop
        write_job(loop, f"{folder}/digits.json")
    assert list(folder.iterdir()) == []


def test_the_overlay_has_no_fault() -> None:
    assert check_config(load("configs/taxi.yaml", ["configs/overlays/vertex.yaml"], SETTINGS).config) == []


@pytest.mark.parametrize("path", ["/home/someone/data", "file:/data/x", '{"base": {"path": ["/home/me/x.csv"]}}'])
def test_local_paths_in_values_are_refused(job: dict[str, Any], path: str) -> None:
    parameters = job["pipelineSpec"]["root"]["dag"]["tasks"]["SchemaGen"]["inputs"]["parameters"]
    parameters["schema_file"]["runtimeValue"]["constant"] = path
    (fault,) = check_job(job)
    assert fault.startswith("step SchemaGen, schema_file: '")
    assert fault.endswith("' is on this machine; copy it to a bucket and give its gs:// path")


@pytest.mark.parametrize(
    "path", ["gs://b/a/b", "/gcs/bucket/data", "a/b", "/", "1/2", "/tmp/scratch", "/v1/models/taxi", "/app/vocab.txt"]
)
def test_other_values_are_not_taken_for_local_paths(job: dict[str, Any], path: str) -> None:
    parameters = job["pipelineSpec"]["root"]["dag"]["tasks"]["Trainer"]["inputs"]["parameters"]
    parameters["run_fn"]["runtimeValue"]["constant"] = path
    assert check_job(job) == []


@pytest.mark.parametrize("path", ["gs://b/a/b", "/gcs/bucket/data"])
def test_properties_that_are_paths_may_be_on_a_bucket(job: dict[str, Any], path: str) -> None:
    parameters = job["pipelineSpec"]["root"]["dag"]["tasks"]["SchemaGen"]["inputs"]["parameters"]
    parameters["schema_file"]["runtimeValue"]["constant"] = path
    assert check_job(job) == []


@pytest.mark.parametrize("path", ["configs/schemas/digits.pbtxt", "a/b", "/", "1/2", "/tmp/scratch", "s.pbtxt", ""])
def test_properties_that_are_paths_are_on_a_bucket_whatever_they_look_like(job: dict[str, Any], path: str) -> None:
    parameters = job["pipelineSpec"]["root"]["dag"]["tasks"]["SchemaGen"]["inputs"]["parameters"]
    parameters["schema_file"]["runtimeValue"]["constant"] = path
    assert check_job(job) == [
        f"step SchemaGen, schema_file: '{path}' is on this machine; copy it to a bucket and give its gs:// path"
    ]


@pytest.mark.parametrize("path", ["/home/me/data", "data/digits", "file:/data/x"])
def test_local_values_of_parameters_are_refused(job: dict[str, Any], path: str) -> None:
    job["runtimeConfig"]["parameterValues"]["data_path"] = path
    fault = f"parameter data_path: '{path}' is on this machine; copy it to a bucket and give its gs:// path"
    assert check_job(job) == [fault]
    del job["runtimeConfig"]["parameterValues"]["data_path"]
    job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]["data_path"]["defaultValue"] = path
    assert check_job(job) == [fault]


def test_paths_inside_json_are_read_with_the_values_of_parameters(job: dict[str, Any]) -> None:
    inputs = job["pipelineSpec"]["root"]["dag"]["tasks"]["Pusher"]["inputs"]["parameters"]
    constant = inputs["custom_config"]["runtimeValue"]
    root = "{{$.inputs.parameters['serving_root']}}"
    constant["constant"] = constant["constant"].replace("gs://my-bucket/models", root)
    inputs["serving_root"] = {"runtimeValue": {"constant": "gs://my-bucket/models"}}
    assert check_job(job) == []
    inputs["serving_root"] = {"runtimeValue": {"constant": "out/models"}}
    assert check_job(job) == [
        "step Pusher, custom_config.root: 'out/models' is on this machine; copy it to a bucket and give its gs:// path"
    ]


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("/home/me/model", True), ("model", True), ("file:///m", True), ("gs://b/model", False), ("bq://p.d.t", False),
        ("https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/models/1", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("constant", [True, False])
def test_local_artifacts_of_importers_are_refused(uri: str, local: bool, constant: bool) -> None:
    builder = Builder(root="gs://b/root")
    builder.importer("Imported", uri)
    job = builder.job()
    if not constant:
        builder.executors["Imported_executor"]["importer"]["artifactUri"] = {"runtimeParameter": "uri"}
        builder.tasks["Imported"]["inputs"]["parameters"]["uri"] = {"runtimeValue": {"constant": uri}}
        builder.components["Imported"]["inputDefinitions"]["parameters"]["uri"] = {"parameterType": "STRING"}
    place = "artifactUri" if constant else "uri"
    fault = f"step Imported, {place}: '{uri}' is on this machine; copy it to a bucket and give its gs:// path"
    assert check_job(job) == ([fault] if local else [])


def test_inner_dags_get_the_values_of_outer_ones() -> None:
    builder = Builder(root="gs://b/root")
    builder.parameter("where", "STRING", "data/digits")
    builder.step("Inner", "", parameters={"input_base": {"componentInputParameter": "place"}})
    definitions = {"parameters": {"place": {"parameterType": "STRING"}}}
    builder.components["group"] = {"dag": {"tasks": dict(builder.tasks)}, "inputDefinitions": definitions}
    builder.tasks.clear()
    builder.tasks["group"] = {
        "componentRef": {"name": "group"},
        "inputs": {"parameters": {"place": {"componentInputParameter": "where"}}},
    }
    assert check_job(builder.job()) == [
        "parameter where: 'data/digits' is on this machine; copy it to a bucket and give its gs:// path"
    ]


@pytest.mark.parametrize(
    ("name", "value", "local"),
    [
        ("DATA", "/home/me/data", True), ("DATA", "file:/mnt/data", True), ("HOME", "/home/app", False),
        ("PYTHONPATH", "/app/src", False), ("LD_LIBRARY_PATH", "/usr/local/cuda/lib64", False),
    ],
)  # fmt: skip
def test_local_paths_of_the_environment_are_refused(job: dict[str, Any], name: str, value: str, local: bool) -> None:
    container(job, "Trainer")["env"].append({"name": name, "value": value})
    fault = f"step Trainer, environment variable {name}: '{value}' is on this machine; copy it to a bucket and give "
    assert check_job(job) == ([fault + "its gs:// path"] if local else [])


def test_local_paths_in_arguments_and_a_local_root_are_refused(job: dict[str, Any]) -> None:
    container(job, "Transform")["args"].append("--temp_location=/home/me/tmp")
    job["runtimeConfig"]["gcsOutputDirectory"] = "out/pipelines"
    assert check_job(job) == [
        "runtimeConfig.gcsOutputDirectory: 'out/pipelines' is not in a bucket; set pipeline.root to gs://BUCKET/pipelines",
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
        "component Trainer: references unknown executor 'Trainer_executor'; compile again",
        "root: task Pusher: waits for unknown task 'Nobody'; compile again",
    ]
