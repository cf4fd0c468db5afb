"""On one GPU: strategies, precision, XLA, memory, and the server; each training in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.integration.training.conftest import PACKAGES

# What a training that has ended took of the GPU, and what it reported.
_TRAIN = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tensorflow as tf
from hilir.components.trainer.train import train
from hilir.components.trainer.training_job import TrainingJob
train(TrainingJob.from_json(sys.argv[2]), sys.argv[3])
(gpu,) = tf.config.list_logical_devices("GPU")
memory = tf.config.experimental.get_memory_info("GPU:0")
used = os.popen("nvidia-smi --query-compute-apps=pid,used_memory --format=csv,noheader,nounits").read()
mine = [int(line.split(",")[1]) for line in used.splitlines() if line.split(",")[0].strip() == str(os.getpid())]
print(json.dumps({"peak": memory["peak"], "used_mb": mine}))
"""


def train(site, kind, *settings):
    """Trains in a process of its own; returns what it took of the GPU."""
    job = site.job("train.epochs=2", *settings)
    command = [sys.executable, "-c", _TRAIN, PACKAGES, job.to_json(), kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def plain(tmp_path_factory, data):
    """The weights of a training on the GPU with one device, in float32."""
    from tests.integration.training.conftest import Site

    site = Site(tmp_path_factory.mktemp("plain"), data)
    assert train(site, "one_device")["peak"] > 0
    return site.weights()


@pytest.mark.parametrize(
    ("kind", "setting", "tolerance"),
    [
        ("mirrored", "train.strategy=mirrored", 1e-5),
        ("one_device", "train.jit_compile=true", 1e-4),
        ("one_device", "train.precision=mixed_float16", 0.05),
    ],
)
def test_the_weights_are_those_of_one_device_in_float32(site, plain, kind, setting, tolerance):
    train(site, kind, setting)
    for found, expected in zip(site.weights(), plain, strict=True):
        np.testing.assert_allclose(found, expected, atol=tolerance)


@pytest.mark.parametrize(
    ("memory", "low", "high"),
    [("growth", 1, 4000), ("{limit_mb: 2000}", 1500, 6000), ("all", 15_000, 10**6)],
)
def test_as_much_memory_is_taken_as_was_asked_for(site, memory, low, high):
    used = train(site, "one_device", f"train.gpu_memory={memory}")["used_mb"]
    if not used:
        pytest.skip("nvidia-smi does not list this machine's processes (in a container, for example)")
    assert low <= sum(used) <= high


def test_the_server_answers_as_the_cpu_does(tmp_path):
    import tensorflow as tf

    from hilir.serving.client import RestClient
    from tests.integration.serving.server_process import running

    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.weights = tf.Variable(np.random.default_rng(1).normal(size=[64, 32]).astype(np.float32))

        @tf.function(input_signature=[tf.TensorSpec([None, 64], tf.float32, name="x")])
        def serve(self, x):
            return {"y": tf.tanh(x @ self.weights)}

    model = Model()
    folder = Path(tmp_path, "model", "1")
    tf.saved_model.save(model, str(folder), {"serving_default": model.serve.get_concrete_function()})
    rows = np.random.default_rng(2).normal(size=[100, 64]).astype(np.float32)
    with running(model_name="model", model_base_path=str(folder.parent)) as server, RestClient(server.base) as client:
        found = client.predict("model", {"x": rows}).outputs["y"]
    np.testing.assert_allclose(found, np.tanh(rows @ model.weights.numpy()), atol=1e-3)
