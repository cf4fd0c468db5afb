"""Parameters that stand for values of the configuration have the configuration's bounds, wherever they are given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hilir.pipeline.cli.main import _run
from hilir.pipeline.config import load
from hilir.pipeline.vertex.compile.job_file import compile_config, serialize
from tests.golden.render import SETTINGS

PARAMETERS = (
    "[data.path, train.epochs, train.precision, train.checkpoint_steps, train.steps_per_execution, "
    "train.hyperparameters.learning_rate]"
)


@pytest.fixture(scope="module")
def specification(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled digits pipeline with some parameters."""
    settings = [*SETTINGS, f"vertex.parameters={PARAMETERS}", "train.checkpoint_steps=4", "vertex.project=my-project"]
    config = load("configs/digits.yaml", ["configs/overlays/vertex.yaml"], settings).config
    path = tmp_path_factory.mktemp("compiled") / "digits.json"
    path.write_text(serialize(compile_config(config)))
    return path


WRONG = [
    ("train_epochs=-5", "--parameter train_epochs: must be greater than 0, and is -5"),
    (
        "train_epochs=3000000000",
        "--parameter train_epochs: must be less than or equal to 2147483647, and is 3000000000",
    ),
    (
        "train_epochs=99999999999999999999",
        "--parameter train_epochs: the value is '99999999999999999999', with a number that Vertex AI cannot keep; "
        "give another value",
    ),
    (
        "train_precision=float99",
        "--parameter train_precision: must be 'auto', 'float32', 'mixed_float16' or 'mixed_bfloat16', and is 'float99'",
    ),
    (
        "train_hyperparameters_learning_rate=-1",
        "--parameter train_hyperparameters_learning_rate: must be greater than 0, and is -1",
    ),
    (
        "train_steps_per_execution=3",
        "the parameters do not fit together: train: checkpoint_steps (4) must be a multiple of steps_per_execution (3)",
    ),
]


@pytest.mark.parametrize(("setting", "message"), WRONG)
def test_a_submission_is_refused(specification, capsys, setting, message):
    assert _run(["submit", str(specification), "--parameter", setting, "--dry-run"]) == 3
    assert capsys.readouterr().err == f"hilir: {message}\n"


@pytest.mark.parametrize("command", [("emulate",), ("schedule", "create", "--cron", "0 3 * * *", "--dry-run")])
def test_so_are_a_rehearsal_and_a_schedule(specification, capsys, command):
    setting, message = WRONG[0]
    assert _run([*command, str(specification), "--parameter", setting]) == 3
    assert capsys.readouterr().err == f"hilir: {message}\n"


def test_what_the_file_itself_says_has_the_same_bounds(specification, capsys, tmp_path):
    job = json.loads(specification.read_text())
    job["runtimeConfig"]["parameterValues"]["train_epochs"] = 0
    path = tmp_path / "digits.json"
    path.write_text(json.dumps(job))
    assert _run(["submit", str(path), "--dry-run"]) == 3
    assert capsys.readouterr().err == (
        "hilir: runtimeConfig.parameterValues: train_epochs: must be greater than 0, and is 0\n"
    )
    assert _run(["submit", str(path), "--parameter", "train_epochs=1", "--dry-run"]) == 0, "what is sent counts"


def test_values_within_the_bounds_are_sent(specification, capsys):
    settings = ["--parameter", "train_epochs=7", "--parameter", "train_precision=float32"]
    assert _run(["submit", str(specification), *settings, "--dry-run"]) == 0
    sent = json.loads(capsys.readouterr().out)["pipelineJob"]["runtimeConfig"]["parameterValues"]
    assert (sent["train_epochs"], sent["train_precision"]) == (7, "float32")


def test_a_default_in_the_specification_is_a_double_and_is_taken(specification, capsys, tmp_path):
    job = json.loads(specification.read_text())
    value = job["runtimeConfig"]["parameterValues"].pop("train_epochs")
    job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]["train_epochs"]["defaultValue"] = value
    path = tmp_path / "digits.json"
    path.write_text(json.dumps(job))
    assert _run(["submit", str(path), "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["pipelineJob"]["runtimeConfig"]["parameterValues"]["train_epochs"] == 60


def test_settings_of_another_version_are_left_to_its_image(specification, capsys, tmp_path):
    job = json.loads(specification.read_text())
    inputs = job["pipelineSpec"]["root"]["dag"]["tasks"]["Trainer"]["inputs"]["parameters"]
    constant = inputs["custom_config"]["runtimeValue"]["constant"]
    inputs["custom_config"]["runtimeValue"]["constant"] = constant.replace('"seed": 1', '"grain": 1')
    path = tmp_path / "digits.json"
    path.write_text(json.dumps(job))
    assert _run(["submit", str(path), "--dry-run"]) == 0
    assert _run(["submit", str(path), "--dry-run", "--parameter", "train_epochs=-1"]) == 3
