"""What is added to a compiled job: machines, images, retries, caching, parameters, Dataflow, training pools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.config.schema import Config
from hilir.pipeline.spec.executors import LAUNCHER
from hilir.pipeline.vertex.compile import patches, training
from hilir.pipeline.vertex.compile import runtime_parameters as parameters
from hilir.pipeline.vertex.compile.containers import containers, find_task
from hilir.pipeline.vertex.compile.lint import check_job
from tests.golden.render import FOLDER, SETTINGS
from tests.unit.pipeline.emulator.specs import Builder, output

Json = dict[str, Any]


def configured(*settings: str) -> Config:
    return load("configs/digits.yaml", ["configs/overlays/vertex.yaml"], [*SETTINGS, *settings]).config


@pytest.fixture
def job() -> Json:
    """A job of the steps' names, as TFX leaves it."""
    builder = Builder("digits", "gs://my-bucket/pipelines/digits")
    builder.step("ExampleGen", "", parameters={"input_base": "gs://my-bucket/data/digits"}, makes={"e": "tfx.Examples"})
    train = json.dumps({"package": "models.digits", "train": {"epochs": 60, "batch_size": 32, "strategy": "auto"}})
    builder.step("Transform", "", takes={"e": ("ExampleGen", "e")})
    builder.step("Trainer", "", takes={"e": ("ExampleGen", "e")}, parameters={"custom_config": train})
    builder.resolver("Latest", {"m": ("tfx.Model", 'schema_title="tfx.Model"')}, {})
    for name in ("ExampleGen", "Transform", "Trainer"):
        container = builder.executors[f"{name}_executor"]["container"]
        container["image"] = "host/hilir:1.0"
        container["args"] = ["{{$}}", "--json_serialized_inputs_spec_args", "{}", "--runner=FnApiRunner"]
    return builder.job()


def test_machines_reach_also_the_ingest(job: Json) -> None:
    config = configured(
        "vertex.machines={ExampleGen: {cpu: 2, memory_gb: 8}, "
        "Trainer: {accelerator: NVIDIA_TESLA_T4, accelerators: 2}, Transform: {cpu: 1}}"
    )
    assert patches.apply_patches(job, config) == []
    found = dict(containers(job))
    assert found["ExampleGen"]["resources"] == {"cpuLimit": 2.0, "memoryLimit": 8.0}
    # The overlay's own values for the Trainer stay where the setting has none.
    assert found["Trainer"]["resources"]["accelerator"] == {"type": "NVIDIA_TESLA_T4", "count": "2"}
    assert check_job(job) == []


def test_retries_caching_and_environment(job: Json) -> None:
    config = configured("vertex.retries.steps={Trainer: 0}", "vertex.cache={Transform: false}")
    assert patches.apply_patches(job, config) == []
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    assert tasks["ExampleGen"]["retryPolicy"] == {
        "maxRetryCount": 2, "backoffDuration": "60s", "backoffFactor": 2.0, "backoffMaxDuration": "3600s",
    }  # fmt: skip
    assert "retryPolicy" not in tasks["Trainer"]
    assert "retryPolicy" not in tasks["Latest"]
    assert tasks["Transform"]["cachingOptions"] == {"enableCache": False}
    assert dict(containers(job))["Trainer"]["env"] == [{"name": "TF_USE_LEGACY_KERAS", "value": "1"}]
    assert check_job(job) == []


def test_the_suffix_of_producers_is_taken_off(job: Json) -> None:
    builder = Builder()
    builder.step("count", "", returns={"n": "NUMBER_INTEGER"})
    builder.step("use", "", parameters={"n": output("count_task", "n")})
    job = builder.job()
    patches.apply_patches(job, load("configs/digits.yaml").config)
    use = find_task(job, "use")
    assert use is not None
    assert use["inputs"]["parameters"]["n"] == output("count", "n")


@pytest.mark.parametrize("key", ["machines", "images", "cache", "retries.steps"])
def test_unknown_steps_are_refused(job: Json, key: str) -> None:
    value = {"machines": "{cpu: 1}", "images": "a:1", "cache": "true", "retries.steps": "1"}[key]
    faults = patches.apply_patches(job, configured(f"vertex.{key}={{Trainner: {value}}}"))
    assert faults == [f"vertex.{key}: there is no step 'Trainner'; did you mean 'Trainer'?"]


def test_parameters_stand_for_values(job: Json) -> None:
    config = configured("vertex.parameters=[data.path, train.epochs, train.batch_size, train.strategy]")
    assert parameters.expose(job, config) == []
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    assert tasks["ExampleGen"]["inputs"]["parameters"]["input_base"] == {"componentInputParameter": "data_path"}
    text = tasks["Trainer"]["inputs"]["parameters"]["custom_config"]["runtimeValue"]["constant"]
    for name, value in (("train_epochs", "7"), ("train_batch_size", "8"), ("train_strategy", "tpu")):
        text = text.replace(f"{{{{$.inputs.parameters['{name}']}}}}", value)
    assert json.loads(text)["train"] == {"epochs": 7, "batch_size": 8, "strategy": "tpu"}
    assert job["runtimeConfig"]["parameterValues"] == {
        "data_path": "gs://my-bucket/data/digits", "train_epochs": 60, "train_batch_size": 32, "train_strategy": "auto",
    }  # fmt: skip
    assert job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]["train_epochs"] == {
        "parameterType": "NUMBER_INTEGER"
    }
    assert check_job(job) == []


NESTED_MODEL = """
from pydantic import BaseModel, ConfigDict


class Optimizer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rate: float = 0.1
    momentum: float = 0.5


class Hyperparameters(BaseModel):
    model_config = ConfigDict(extra="forbid")
    units: int = 8
    optimizer: Optimizer = Optimizer(momentum=0.9)


def build_model(hparams): ...
"""


@pytest.mark.parametrize(("written", "optimizer"), [("{}", (0.1, 0.9)), ("{optimizer: {momentum: 0.25}}", (0.1, 0.25))])
def test_hyperparameters_that_are_not_set_can_be_parameters(
    job: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, optimizer: tuple[float, float]
) -> None:
    package = tmp_path / "nested_example"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "features.py").write_text("LABEL = 'label'\nLABEL_COLUMNS = ('label',)\n")
    (package / "preprocessing.py").write_text("def preprocessing_fn(inputs): ...\n")
    (package / "model.py").write_text(NESTED_MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    keys = (
        "[train.hyperparameters.optimizer.rate, train.hyperparameters.units, train.hyperparameters.optimizer.momentum]"
    )
    config = configured("model.package=nested_example", f"train.hyperparameters={written}", f"vertex.parameters={keys}")
    task = find_task(job, "Trainer")
    assert task is not None
    source = task["inputs"]["parameters"]["custom_config"]["runtimeValue"]
    content = json.loads(source["constant"])
    content["train"]["hyperparameters"] = dict(config.train.hyperparameters)
    source["constant"] = json.dumps(content)
    assert parameters.expose(job, config) == []
    values = job["runtimeConfig"]["parameterValues"]
    names = [f"train_hyperparameters_{name}" for name in ("optimizer_rate", "units", "optimizer_momentum")]
    assert [values[name] for name in names] == [optimizer[0], 8, optimizer[1]]
    text = source["constant"]
    for name, value in zip(names, ("0.7", "3", "0.8"), strict=True):
        text = text.replace(f"{{{{$.inputs.parameters['{name}']}}}}", value)
    assert json.loads(text)["train"]["hyperparameters"] == {"units": 3, "optimizer": {"rate": 0.7, "momentum": 0.8}}


@pytest.mark.parametrize(
    "key", ["model.name", "train.hyperparameters", "train.none", "none", "evaluate.thresholds", "train.tune.trials"]
)
def test_what_cannot_be_a_parameter_is_refused(job: Json, key: str) -> None:
    (fault,) = parameters.expose(job, configured(f"vertex.parameters=[{key}]"))
    assert fault.startswith(f"vertex.parameters: '{key}' cannot be changed at submission; these can: data.path, ")


def test_dataflow_replaces_the_local_runner_of_chosen_steps(job: Json) -> None:
    config = configured(
        "vertex.dataflow.steps=[Transform]", "vertex.dataflow.public_ips=false",
        "vertex.dataflow.subnetwork=regions/us-central1/subnetworks/s",
        "vertex.project=my-project", "vertex.service_account=a@b.iam.gserviceaccount.com", "vertex.labels={team: blue}",
    )  # fmt: skip
    assert patches.apply_patches(job, config) == []
    found = dict(containers(job))
    assert found["Trainer"]["args"][-1] == "--runner=FnApiRunner"
    assert found["Transform"]["args"][:3] == ["{{$}}", "--json_serialized_inputs_spec_args", "{}"]
    from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, WorkerOptions

    options = PipelineOptions(found["Transform"]["args"][3:])
    cloud, workers = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
    assert (cloud.project, cloud.region, cloud.labels) == ("my-project", "us-central1", ["team=blue"])
    assert (cloud.temp_location, cloud.service_account_email) == (
        "gs://my-bucket/dataflow/tmp",
        "a@b.iam.gserviceaccount.com",
    )
    assert (workers.sdk_container_image, workers.machine_type) == ("host/hilir:1.0", "n2-standard-4")
    assert (workers.max_num_workers, workers.disk_size_gb, workers.use_public_ips) == (10, 50, False)
    assert workers.subnetwork == "regions/us-central1/subnetworks/s"


def test_dataflow_says_what_it_lacks(job: Json) -> None:
    faults = patches.apply_patches(job, configured("vertex.dataflow.steps=[Transformer]"))
    assert faults == [
        "vertex.dataflow.steps: there is no step 'Transformer'; did you mean 'Transform'?",
        "vertex.project: Dataflow needs it in the compiled pipeline; give the project's id",
    ]


def test_training_pools_are_a_custom_job_that_its_api_accepts(job: Json) -> None:
    pools = (
        "[{machine_type: n1-standard-8, accelerator: NVIDIA_TESLA_T4, accelerators: 2}, "
        "{machine_type: n1-standard-8, replicas: 3, disk_gb: 200, image: 'host/gpu:2'}, "
        "{machine_type: ct5lp-hightpu-4t, tpu_topology: 2x2}]"
    )
    key = "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
    config = configured(
        f"vertex.training.pools={pools}", "vertex.training.spot=true",
        "vertex.service_account=a@b.iam.gserviceaccount.com",
        "vertex.network=projects/1/global/networks/n", "vertex.labels={team: blue}", f"vertex.encryption_key={key}",
    )  # fmt: skip
    patches.apply_patches(job, config)
    training.use_pools(job, config)
    assert check_job(job) == []
    container = dict(containers(job))["Trainer"]
    assert container["command"] == ["python3", "-u", "-m", LAUNCHER]
    payload = json.loads(container["args"][container["args"].index("--payload") + 1])
    from google.cloud import aiplatform_v1

    custom_job = aiplatform_v1.CustomJob(payload)
    first, second, third = custom_job.job_spec.worker_pool_specs
    assert first.machine_spec.accelerator_type == aiplatform_v1.AcceleratorType.NVIDIA_TESLA_T4
    assert (first.machine_spec.accelerator_count, first.replica_count) == (2, 1)
    assert first.container_spec.args[0] == "{{$.json_escape[1]}}"
    assert first.container_spec.env[0].name == "TF_USE_LEGACY_KERAS"
    assert (second.replica_count, second.disk_spec.boot_disk_size_gb) == (3, 200)
    assert second.container_spec.image_uri == "host/gpu:2"
    assert third.machine_spec.tpu_topology == "2x2"
    assert custom_job.job_spec.scheduling.timeout.total_seconds() == 24 * 3600
    assert custom_job.job_spec.scheduling.strategy == aiplatform_v1.Scheduling.Strategy.SPOT
    assert (custom_job.job_spec.service_account, custom_job.labels) == (
        "a@b.iam.gserviceaccount.com",
        {"team": "blue"},
    )
    assert custom_job.encryption_spec.kms_key_name == key


def test_images_of_pools_are_checked(job: Json) -> None:
    config = configured("vertex.training.pools=[{machine_type: n1-standard-4, image: gpu}]")
    training.use_pools(job, config)
    assert check_job(job) == ["the image 'gpu' (Trainer) has neither tag nor digest; pin it, for example 'gpu:1.0'"]


def test_the_reviewed_pipelines_have_every_step_in_the_table_of_parameters() -> None:
    tasks = json.loads((FOLDER / "taxi.json").read_text())["pipelineSpec"]["root"]["dag"]["tasks"]
    assert {"ExampleGen", "Trainer", "Pusher"} <= tasks.keys()
