"""Worker pools as local processes, with the variables that Vertex AI sets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.executors import LAUNCHER
from tests.unit.pipeline.emulator.conftest import Emulator
from tests.unit.pipeline.emulator.specs import HEAD, Builder, Json

TELL = "print(os.environ['TF_CONFIG']); print(os.environ['CLUSTER_SPEC'])\n"
EXPORT = "\nif json.loads(os.environ['TF_CONFIG'])['task']['type'] == 'chief':\n    write('model', 'trained'); finish()"


def pool(program: str, replicas: int = 1, placeholder: str = "{{$}}", **more: Any) -> Json:
    command = ["python", "-c", HEAD + program]
    return {
        "machineSpec": {"machineType": "n1-standard-4"},
        "replicaCount": replicas,
        "containerSpec": {"imageUri": "local:1", "command": command, "args": [placeholder], **more},
    }


def training(pools: list[Json], scheduling: Json | None = None) -> Json:
    builder = Builder()
    builder.step("train", "", makes={"model": "tfx.Model"})
    spec = {"workerPoolSpecs": pools, "scheduling": scheduling or {}}
    builder.executors["train_executor"] = {"customJob": {"customJob": {"displayName": "t", "jobSpec": spec}}}
    builder.step("use", "print(read('model'))", takes={"model": ("train", "model")})
    return builder.job()


def test_one_pool_has_a_chief_only(emulate: Emulator) -> None:
    outcome = emulate(training([pool(TELL + EXPORT)]))
    tf_config, cluster_spec = map(json.loads, outcome.said("train"))
    (address,) = tf_config["cluster"]["chief"]
    assert tf_config == {
        "cluster": {"chief": [address]}, "task": {"type": "chief", "index": 0}, "environment": "cloud",
    }  # fmt: skip
    assert cluster_spec == {
        "cluster": {"workerpool0": [address]}, "task": {"type": "chief", "index": 0}, "environment": "cloud",
    }  # fmt: skip
    assert outcome.said("use") == ["trained"]


def test_roles_are_the_places_of_the_pools(emulate: Emulator) -> None:
    outcome = emulate(training([pool(TELL + EXPORT), pool(TELL, 2), pool(TELL), pool(TELL)]))
    assert outcome.states == {"train": "done", "use": "done"}
    found = {}
    for name in ("train", *(f"train.workerpool{part}" for part in ("1-0", "1-1", "2-0", "3-0"))):
        tf_config, cluster_spec = map(json.loads, outcome.said(name))
        assert sorted(tf_config["cluster"]) == ["chief", "ps", "worker"]
        assert len(tf_config["cluster"]["worker"]) == 2
        assert sorted(cluster_spec["cluster"]) == [f"workerpool{number}" for number in range(4)]
        found[name] = (tf_config["task"], cluster_spec["task"])
    assert found["train"] == ({"type": "chief", "index": 0}, {"type": "workerpool0", "index": 0})
    assert found["train.workerpool1-1"] == ({"type": "worker", "index": 1}, {"type": "workerpool1", "index": 1})
    assert found["train.workerpool2-0"][0] == {"type": "ps", "index": 0}
    assert found["train.workerpool3-0"][0] == {"type": "evaluator", "index": 0}


def test_the_launcher_of_compiled_pipelines_starts_its_pools(emulate: Emulator) -> None:
    builder = Builder()
    builder.parameter("epochs", "NUMBER_INTEGER", 3)
    builder.step(
        "train", "", makes={"model": "tfx.Model"},
        parameters={"text": '{"epochs": {{$.inputs.parameters[\'n\']}}, "quote": "\\""}',
                    "n": {"componentInputParameter": "epochs"}},
    )  # fmt: skip
    program = "print(parameter('text')); write('model', '')"
    payload = {"job_spec": {"worker_pool_specs": [_snake(pool(program, 1, "{{$.json_escape[1]}}"))]}}
    builder.executors["train_executor"]["container"] = {
        "image": "launcher:1",
        "command": ["python3", "-u", "-m", LAUNCHER],
        "args": ["--type", "CustomJob", "--payload", json.dumps(payload), "--gcp_resources", "/tmp/gcp_resources"],
    }
    assert json.loads(emulate(builder.job()).said("train")[0]) == {"epochs": 3, "quote": '"'}


def _snake(pool: Json) -> Json:
    container = pool["containerSpec"]
    return {
        "replica_count": 1,
        "container_spec": {"image_uri": "i:1", **container, "env": [{"name": "A", "value": "b"}]},
    }


def test_a_failed_worker_ends_the_job(emulate: Emulator) -> None:
    outcome = emulate(training([pool("import signal; signal.pause()"), pool("raise ValueError('worker is ill')")]))
    assert outcome.states == {"train": "failed", "use": "skipped"}
    assert outcome.error == (
        "train: workerpool1-0 ended with exit code 1: ValueError: worker is ill; "
        f"the whole traceback is in {outcome.folder}/logs/train.workerpool1-0.log"
    )


def test_a_job_restarts_with_its_workers(emulate: Emulator) -> None:
    program = (
        "path = outputs['outputFile'] + '.tries'; open(path, 'a').write('x'); tries = len(open(path).read())\n"
        "if tries == 1: os.kill(os.getpid(), 9)\n"
    )
    outcome = emulate(training([pool("pass" + EXPORT), pool(program)], {"restartJobOnWorkerRestart": True}))
    assert outcome.states == {"train": "done", "use": "done"}
    assert emulate(training([pool("pass" + EXPORT), pool(program)])).states["train"] == "failed"


def test_the_timeout_ends_the_job(emulate: Emulator) -> None:
    outcome = emulate(training([pool("import signal; signal.pause()")], {"timeout": "0.5s"}))
    assert "train: the training job's timeout of 0.5 s is over; all replicas were ended" in outcome.error


@pytest.mark.parametrize(
    ("pools", "fault"),
    [
        ([], "has no worker pool"),
        ([pool("", 2)], "the first pool of a custom job is the chief and has one replica"),
        ([pool("")] * 5, "a custom job has at most 4 pools"),
        ([pool(""), {"pythonPackageSpec": {"packageUris": ["a"]}}], "python_package_spec is not emulated"),
        ([pool("", command=[])], "has no command, and the entry point of an image is not known without it"),
        ([pool(""), pool("", imageUri="gcr.io/x/reductionserver:1")], "the reduction server is not emulated"),
    ],
)
def test_what_is_not_emulated_is_refused(emulate: Emulator, pools: list[Json], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        emulate(training(pools))
