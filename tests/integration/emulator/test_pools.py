"""Training on worker pools, as compiled: two replicas of the real trainer, which find each other by TF_CONFIG."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.emulator.test_examples import Emulation, compile_example

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


def test_two_workers_train_one_model(tmp_path: Path) -> None:
    from models.digits.dataset import write_dataset

    (tmp_path / "data").mkdir()
    write_dataset(str(tmp_path / "data"))
    pools = "vertex.training.pools=[{machine_type: n1-standard-4}, {machine_type: n1-standard-4}]"
    emulation = Emulation(tmp_path, compile_example(tmp_path, pools, "train.strategy=multi_worker"), tmp_path / "data")
    summary = emulation.run("--fast", "--parameter", "train_epochs=2")
    logs = tmp_path / "work/runs" / summary["run_id"] / "logs"
    for name in ("Trainer.log", "Trainer.workerpool1-0.log"):
        assert "MultiWorkerMirroredStrategy" in (logs / name).read_text()
    assert "Trainer running: epoch 2/2" in summary["stdout"]
    assert summary["metrics"]["accuracy"] > 0.5
    payload = json.loads((tmp_path / "d.json").read_text())["pipelineSpec"]["deploymentSpec"]["executors"]
    assert "--payload" in payload["Trainer_executor"]["container"]["args"]
