"""Trials at a time: what the Tuner becomes for Vertex AI, and who refuses it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.errors import ConfigError
from tests.golden.render import SETTINGS

TUNE = ("train.tune.enabled=true", "train.tune.parallel_trials=3")
PROJECT = "vertex.project=my-project"
PLAIN = "tfx.components.tuner.executor.Executor"
PARALLEL = "tfx.extensions.google_cloud_ai_platform.tuner.executor.Executor"


def compiled(*settings: str) -> dict[str, Any]:
    from hilir.pipeline.vertex.compile.job_file import compile_config

    return compile_config(load("configs/digits.yaml", ["configs/overlays/vertex.yaml"], [*SETTINGS, *settings]).config)


def executor_of(job: dict[str, Any]) -> str:
    args = job["pipelineSpec"]["deploymentSpec"]["executors"]["Tuner_executor"]["container"]["args"]
    return str(args[args.index("--executor_class_path") + 1])


def properties_of(job: dict[str, Any]) -> dict[str, Any]:
    parameters = job["pipelineSpec"]["root"]["dag"]["tasks"]["Tuner"]["inputs"]["parameters"]
    values = {key: source["runtimeValue"]["constant"] for key, source in parameters.items()}
    return {key: json.loads(values[key]) for key in ("custom_config", "tune_args") if key in values}


def test_three_trials_at_a_time_are_a_job_of_three_machines() -> None:
    job = compiled(
        *TUNE, PROJECT, "vertex.region=europe-west4", "vertex.service_account=steps@my-project.iam.gserviceaccount.com",
        "vertex.network=projects/1/global/networks/inner", "vertex.labels={team: risk}",
        "vertex.encryption_key=projects/my-project/locations/europe-west4/keyRings/r/cryptoKeys/k",
        "vertex.tuning.machine_type=n1-standard-4", "vertex.tuning.accelerator=NVIDIA_TESLA_T4",
        "vertex.tuning.timeout_hours=2", "vertex.images={Tuner: 'host/hilir:gpu'}",
    )  # fmt: skip
    assert executor_of(job) == PARALLEL
    properties = properties_of(job)
    assert properties["tune_args"] == {"num_parallel_trials": 3}
    config = properties["custom_config"]
    assert config["package"] == "models.digits"
    assert config["train"]["tune"]["parallel_trials"] == 3
    assert config["ai_platform_enable_vertex"] is True
    assert config["ai_platform_vertex_region"] == "europe-west4"
    pool = {
        "machine_spec": {
            "machine_type": "n1-standard-4",
            "accelerator_type": "NVIDIA_TESLA_T4",
            "accelerator_count": 1,
        },
        "disk_spec": {"boot_disk_size_gb": 100},
        "container_spec": {"image_uri": "host/hilir:gpu", "env": [{"name": "TF_USE_LEGACY_KERAS", "value": "1"}]},
    }
    assert config["ai_platform_tuning_args"] == {
        "project": "my-project",
        "display_name": "digits-tuner",
        "labels": {"team": "risk"},
        "encryption_spec": {"kms_key_name": "projects/my-project/locations/europe-west4/keyRings/r/cryptoKeys/k"},
        "job_spec": {
            "worker_pool_specs": [pool | {"replica_count": 1}, pool | {"replica_count": 2}],
            "scheduling": {"timeout": "7200s"},
            "service_account": "steps@my-project.iam.gserviceaccount.com",
            "network": "projects/1/global/networks/inner",
        },
    }


def test_one_trial_at_a_time_is_the_plain_tuner() -> None:
    job = compiled("train.tune.enabled=true")
    assert executor_of(job) == PLAIN
    assert "tune_args" not in properties_of(job)
    assert "ai_platform_tuning_args" not in properties_of(job)["custom_config"]


def test_here_trials_run_one_after_another() -> None:
    from ml_metadata.proto import metadata_store_pb2

    from hilir.pipeline.graph import Platform, build
    from hilir.pipeline.inputs import find_inputs

    config = load("configs/digits.yaml", (), TUNE).config
    platform = Platform(metadata_store_pb2.ConnectionConfig(), own_resolvers=True)
    pipeline = build(config, find_inputs(config), platform)
    (tuner,) = [node for node in pipeline.components if node.id == "Tuner"]
    executor = tuner.executor_spec.executor_class
    assert f"{executor.__module__}.{executor.__name__}" == PLAIN
    # TFX's plain executor refuses any.
    assert tuner.exec_properties.get("tune_args") is None


def test_the_job_needs_its_project() -> None:
    with pytest.raises(ConfigError) as refusal:
        compiled(*TUNE)
    assert refusal.value.faults == (
        "vertex.project: is not given, and the 3 trials at a time (train.tune.parallel_trials) are a job of their own "
        "that needs it in the compiled pipeline; give the project's id",
    )


def test_the_emulator_refuses_what_only_vertex_ai_can_run() -> None:
    from hilir.pipeline.emulator.refusals import find_refusals
    from hilir.pipeline.spec.specification import parse

    assert find_refusals(parse(compiled(*TUNE, PROJECT))) == [
        "executor Tuner_executor: trials at a time are a job that the step itself starts on Vertex AI, which is not "
        "emulated; compile with train.tune.parallel_trials=1"
    ]
    assert find_refusals(parse(compiled("train.tune.enabled=true"))) == []
