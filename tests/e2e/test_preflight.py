"""What would stop a run after its training stops it before, and `hilir run --check` trains nothing at all."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.project import write_project
from tests.forking import run_hilir

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("preflight")
    (folder / "modules").mkdir()
    return write_project(folder)


def hilir(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"MODULES": str(project.parent / "modules")}
    return run_hilir([*arguments], cwd=project.parent, env=environment)


def test_a_check_runs_the_preflight_on_a_sample_and_nothing_after_it(project):
    done = hilir(project, "run", "--check", str(project))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    steps = [line.split()[0] for line in lines if line.endswith(" running")]
    assert sorted(steps) == ["ExampleGen", "Preflight", "SchemaGen", "StatisticsGen", "Transform"]
    (checked,) = [line for line in lines if line.startswith("Preflight done")]
    assert checked.endswith(": checked 1 training step, 6 signatures")
    assert lines[-1] == f"next: hilir run {project}"
    assert not (project.parent / "out" / "models").exists()
    assert not list((project.parent / "out" / "pipelines").glob("*/Trainer"))


def test_a_name_that_training_does_not_report_stops_the_run_before_the_trainer(project):
    monitor = "train.early_stopping={monitor: val_auc, patience: 1}"
    done = hilir(project, "run", str(project), "--set", monitor)
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1] == (
        "hilir: Preflight: train.early_stopping.monitor is 'val_auc', which the training does not report; "
        "it reports accuracy, loss, val_accuracy, val_loss"
    )
    assert "Preflight failed" in done.stdout
    assert "Trainer running" not in done.stdout
    assert not list((project.parent / "out" / "pipelines").glob("*/Trainer"))


def test_a_check_refuses_hyperparameters_and_the_choice_of_steps(project):
    wrong = hilir(project, "run", "--check", str(project), "--set", "train.hyperparameters={units: many}")
    assert wrong.returncode == 3
    assert "train.hyperparameters.units: Input should be a valid integer" in wrong.stderr
    steps = hilir(project, "run", "--check", str(project), "--to", "Transform")
    assert steps.returncode == 2
    assert "--check runs its own steps; leave out --from and --to" in steps.stderr
