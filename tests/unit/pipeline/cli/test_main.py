import subprocess
import sys

import pytest

from hilir.pipeline.cli.main import COMMANDS, SECTIONS, _run, cli

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


def test_every_command_is_in_one_section_of_the_help(capsys):
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)
    assert _run(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:-1] for line in lines if line.endswith(":") and not line.startswith(" ")] == ["Options", *SECTIONS]


@pytest.mark.parametrize("name", ["release", "schema", "vertex", "experiment", "runs"])
def test_the_help_of_a_group_is_not_cut_off(name, capsys):
    assert _run([name, "--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


def test_the_options_of_a_watch_are_in_its_help(capsys):
    assert _run(["watch", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--overlay FILE" in shown
    assert "--set A.B=C" in shown
    assert "Commands:\n  status " in shown


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
        "hilir: there is no run 'nope-20260101-000000' in runs; 'hilir runs list CONFIG' lists the runs there are, "
        "and --set pipeline.runs=FOLDER names another folder of runs\n"
    )


@pytest.mark.parametrize(("status", "code"), [("succeeded", 0), ("not_blessed", 6)])
def test_the_exit_code_of_a_run_that_came_to_its_end(status, code):
    from hilir.pipeline.cli.exits import status_code

    assert status_code(status) == code


def test_a_command_can_be_typed_again_as_it_was():
    from hilir.pipeline.cli.options import write_command

    assert write_command("run", "my model.yaml", ["fast.yaml"], ["data.pattern=*.csv"]) == (
        "hilir run 'my model.yaml' --overlay fast.yaml --set 'data.pattern=*.csv'"
    )


def test_the_configuration_of_a_run_is_found_next_to_its_log(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text("model: {name: mine, package: mine}\npipeline: {runs: kept}\ndata: {path: x}\n")
    folder = tmp_path / "kept" / "mine-1"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(
        "model: {name: mine, package: mine}\npipeline: {root: here}\ndata: {path: x}\n"
        "evaluate: {metrics: [{name: auc, class: AUC}], thresholds: [{metric: auc, min: 0.6}]}\n"
    )
    assert _run(["runs", "show", "mine-1"]) == 3
    assert "the pipeline mine has not run yet below here" in capsys.readouterr().err
    assert _run(["runs", "show", "mine-2"]) == 3
    assert capsys.readouterr().err.startswith("hilir: there is no run 'mine-2' in runs, kept; 'hilir runs list CONFIG'")
