"""Trials at a time: the job that TFX's extension starts on Vertex AI, its containers as processes of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hilir.components.trainer.launch import find_ports
from tests.integration.training.conftest import PACKAGES

PROJECT = "vertex.project=my-project"


class Jobs:
    """Stands for the job service's client: a job's machines are processes, which have ended when it has been made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.parent = ""
        self.job: Any = None
        self.codes: list[int] = []

    def create_custom_job(self, *, parent: str, custom_job: dict[str, Any]) -> Any:
        from google.cloud.aiplatform_v1.types.custom_job import CustomJob

        self.parent, self.job = parent, CustomJob(custom_job)
        pools = self.job.job_spec.worker_pool_specs
        members = [(number, index) for number, pool in enumerate(pools) for index in range(pool.replica_count)]
        ports = dict(zip(members, find_ports(len(members)), strict=True))
        cluster: dict[str, list[str]] = {}
        for (number, _), port in ports.items():
            cluster.setdefault(f"workerpool{number}", []).append(f"127.0.0.1:{port}")
        processes = [self._start(pools[number], number, index, cluster) for number, index in members]
        try:
            self.codes = [process.wait(timeout=150) for process in processes]
        finally:
            for process in processes:
                process.kill()
        return SimpleNamespace(name=f"{parent}/customJobs/1")

    def get_custom_job(self, **_: Any) -> Any:
        from google.cloud.aiplatform_v1.types.job_state import JobState

        return SimpleNamespace(
            state=JobState.JOB_STATE_FAILED if any(self.codes) else JobState.JOB_STATE_SUCCEEDED,
        )

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def _start(self, pool: Any, number: int, index: int, cluster: dict[str, list[str]]) -> subprocess.Popen[bytes]:
        name = f"workerpool{number}-{index}"
        container = pool.container_spec
        environment = os.environ | {variable.name: variable.value for variable in container.env}
        environment["CLUSTER_SPEC"] = json.dumps(
            {"cluster": cluster, "task": {"type": f"workerpool{number}", "index": index}, "environment": "cloud"}
        )
        # Each machine has a disk of its own.
        environment["KERASTUNER_DIRECTORY"] = str(self._folder / name)
        environment["PYTHONPATH"] = os.pathsep.join([PACKAGES, os.getcwd()])
        assert container.command[0] == "python"
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, *container.command[1:], *container.args],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


@pytest.fixture
def tune(site, tmp_path, monkeypatch):
    """Returns a function that runs the extension's executor and returns what it started, and the outputs."""
    from tfx.dsl.components.base.base_executor import BaseExecutor
    from tfx.extensions.google_cloud_ai_platform import training_clients
    from tfx.extensions.google_cloud_ai_platform.tuner.executor import Executor
    from tfx.proto import trainer_pb2, tuner_pb2
    from tfx.types import standard_artifacts
    from tfx.utils import json_utils, proto_utils

    from hilir.pipeline.config import load
    from hilir.pipeline.vertex.compile.tuning import make_tuning_config

    jobs = Jobs(tmp_path)
    monkeypatch.setattr(training_clients.gapic, "JobServiceClient", lambda **_: jobs)

    def run(trials: int, *settings: str):
        job = site.job(*settings)
        at_a_time = f"train.tune.parallel_trials={trials}"
        config = load("configs/digits.yaml", settings=[*settings, at_a_time, PROJECT, "vertex.image=host/a:1"]).config
        examples, graph = standard_artifacts.Examples(), standard_artifacts.TransformGraph()
        examples.uri, examples.split_names = str(tmp_path / "examples"), '["train", "eval"]'
        graph.uri = job.transform_output
        for split in ("train", "eval"):
            folder = tmp_path / "examples" / f"Split-{split}"
            folder.mkdir(parents=True)
            for file in site.data.glob(f"{split}*"):
                (folder / file.name).symlink_to(file)
        outputs = {
            "best_hyperparameters": [standard_artifacts.HyperParameters()],
            "tuner_results": [standard_artifacts.TunerResults()],
        }
        for key, (artifact,) in outputs.items():
            artifact.uri = str(tmp_path / key)
        own = {"package": job.package, "train": job.train, "code": job.code}
        properties = {
            "tuner_fn": "hilir.components.tuner.search.tuner_fn",
            "train_args": proto_utils.proto_to_json(trainer_pb2.TrainArgs(splits=["train"])),
            "eval_args": proto_utils.proto_to_json(trainer_pb2.EvalArgs(splits=["eval"])),
            "tune_args": proto_utils.proto_to_json(tuner_pb2.TuneArgs(num_parallel_trials=trials)),
            "custom_config": json_utils.dumps(own | make_tuning_config(config)),
        }
        Executor(BaseExecutor.Context()).Do({"examples": [examples], "transform_graph": [graph]}, outputs, properties)
        return outputs["best_hyperparameters"][0].uri, outputs["tuner_results"][0].uri

    return SimpleNamespace(run=run, jobs=jobs)


@pytest.mark.slow
def test_each_machine_takes_trials_and_the_chief_writes_down_the_best(tune):
    from hilir.components.tuner.search_result import read_found

    slowly = "train.hyperparameters.step_seconds=0.5"
    found = read_found(*tune.run(2, "train.tune.algorithm=grid", "train.tune.epochs=2", slowly))

    assert tune.jobs.parent == "projects/my-project/locations/us-central1"
    assert tune.jobs.job.display_name == "digits-tuner"
    assert [pool.replica_count for pool in tune.jobs.job.job_spec.worker_pool_specs] == [1, 1]
    assert found.values["learning_rate"] == pytest.approx(0.1)
    assert [trial["learning_rate"] for trial in found.trials] == pytest.approx([0.1, 1e-6])
    assert found.score == found.trials[0]["score"] < found.trials[1]["score"]
    for name in ("workerpool0-0", "workerpool1-0"):
        assert ", best val_loss " in tune.jobs.log(name)


@pytest.mark.slow
def test_a_fault_of_the_package_ends_every_machine_with_its_cause(tune):
    with pytest.raises(RuntimeError, match="did not succeed"):
        tune.run(2, "train.tune.epochs=1", "train.tune.objective=val_f1")
    assert all(tune.jobs.codes)
    for name in ("workerpool0-0", "workerpool1-0"):
        assert "train.tune.objective is 'val_f1', which the training does not report" in tune.jobs.log(name)
