import subprocess
import sys

import pytest

from hilir.pipeline.cli.main import COMMANDS, _run, cli

HEAVY = {
    "tensorflow",
    "tfx",
    "apache_beam",
    "google.cloud.aiplatform",
    "google.auth",
    "tensorflow_model_analysis",
    "ml_metadata",
    "kfp",
    "numpy",
}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["config", "check", "configs/taxi.yaml"], ["run", "--help"], ["doctor", "--help"]]
)
def test_the_command_line_starts_without_the_heavy_packages(arguments):
    program = (
        "import sys\n"
        "from hilir.pipeline.cli.main import _run\n"
        f"code = _run({arguments})\n"
        f"heavy = [name for name in {sorted(HEAVY)} if name in sys.modules]\n"
        "print('heavy:', heavy, 'code:', code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: [] code: 0"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_in_the_table_exists_and_has_help(name, capsys):
    assert cli.get_command(None, name) is not None
    assert _run([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: hilir {name}")


def test_a_mistyped_command_is_a_usage_error(capsys):
    assert _run(["rum"]) == 2
    assert "No such command 'rum'" in capsys.readouterr().err


def test_a_fault_of_the_configuration_ends_with_code_3(capsys):
    assert _run(["run", "configs/taxi.yaml", "--set", "train.epoch=3"]) == 3
    assert capsys.readouterr().err == (
        "hilir: --set train.epoch: train.epoch: there is no such key; did you mean 'epochs'?\n"
    )


def test_version(capsys):
    assert _run(["--version"]) == 0
    assert capsys.readouterr().out == "hilir 0.1.0\n"


def test_config_show_names_the_origin_of_each_value(capsys):
    assert _run(["config", "show", "configs/digits.yaml", "--set", "train.epochs=3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("#")[1].strip() for line in lines if line.startswith("train.epochs: 3 ")] == [
        "--set train.epochs"
    ]
    assert any(line.startswith("model.name: digits ") and line.endswith("# configs/digits.yaml") for line in lines)


def test_a_run_of_an_unknown_configuration_is_told(capsys):
    assert _run(["runs", "show", "nope-20260101-000000"]) == 3
    assert capsys.readouterr().err == (
        "hilir: no configuration was found for the run 'nope-20260101-000000' (configs/nope.yaml does not exist); "
        "give it with --config, or type 'hilir runs list CONFIG' for a list of its runs\n"
    )
