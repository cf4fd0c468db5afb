"""Workers that a platform starts and describes by CLUSTER_SPEC or TF_CONFIG, as Vertex AI does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from hilir.components.trainer.launch import find_ports

_REPLICA = """
import json, os, sys
from types import SimpleNamespace
from hilir.components.trainer.run import run_fn
arguments = SimpleNamespace(**json.loads(sys.argv[1]))
run_fn(arguments)
assert os.path.exists(os.path.join(arguments.serving_model_dir, "saved_model.pb")), "returned before the export"
print("exported", flush=True)
"""


def environments(kind: str) -> list[dict[str, str]]:
    chief, worker = (f"127.0.0.1:{port}" for port in find_ports(2))
    if kind == "CLUSTER_SPEC":
        cluster = {"workerpool0": [chief], "workerpool1": [worker]}
        tasks = [{"type": "workerpool0", "index": 0}, {"type": "workerpool1", "index": 0}]
    else:
        cluster = {"master": [chief], "worker": [worker]}
        tasks = [{"type": "master", "index": 0}, {"type": "worker", "index": 0}]
    return [{kind: json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})} for task in tasks]


@pytest.mark.parametrize("kind", ["CLUSTER_SPEC", pytest.param("TF_CONFIG", marks=pytest.mark.slow)])
def test_each_replica_runs_the_same_entry_point_and_waits_for_the_chief(site, alone, kind):
    job = site.job("train.strategy=auto")
    arguments = {
        "train_files": job.train_files,
        "eval_files": job.eval_files,
        "transform_graph_path": job.transform_output,
        "serving_model_dir": job.model_dir,
        "model_run_dir": job.run_dir,
        "base_model": None,
        "hyperparameters": None,
        "custom_config": {"package": job.package, "train": job.train, "code": job.code},
    }
    path = os.pathsep.join(sys.path)
    replicas = [
        subprocess.Popen(
            [sys.executable, "-c", _REPLICA, json.dumps(arguments)],
            env={**os.environ, **environment, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for environment in environments(kind)
    ]
    try:
        outputs = [replica.communicate(timeout=120)[0] for replica in replicas]
    finally:
        for replica in replicas:
            replica.kill()
    assert [replica.returncode for replica in replicas] == [0, 0], "\n".join(output[-3000:] for output in outputs)
    assert all("exported" in output for output in outputs)
    assert site.steps() == alone.steps()
    for one, other in zip(site.weights(), alone.weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
