"""The project's folder: what is importable from it, what it may not hide, and which YAML is meant."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hilir.pipeline.config.project import enter_project, find_hiding
from hilir.pipeline.errors import ConfigError
from hilir.serving.projects import find_configs

HILIR = Path(sys.executable).with_name("hilir")
SITE = [entry for entry in sys.path if Path(entry).name == "site-packages"]
CONFIG = """
model: {name: mine, package: mine}
data: {path: data, pattern: "*.csv"}
evaluate: {metrics: [{name: auc, class: AUC}], thresholds: [{metric: auc, min: 0.6}]}
"""
PACKAGE = {
    "__init__": "",
    "features": 'LABEL = "b"\nLABEL_COLUMNS = ("b",)\n',
    "model": "Hyperparameters = build_model = None\n",
    "preprocessing": "preprocessing_fn = None\n",
}


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A project, entered as the current folder; the path and the environment are put back afterwards."""
    folder = tmp_path / "project"
    write(folder, "mine.yaml", CONFIG)
    write(folder, "data/rows.csv", "a,b\n1,2\n")
    for name, source in PACKAGE.items():
        write(folder, f"mine/{name}.py", source)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    return folder


def write(folder, name, content=""):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def call(*arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [HILIR, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_the_current_folder_comes_first_then_that_of_the_configuration(project, tmp_path):
    elsewhere = write(tmp_path / "elsewhere", "other.yaml", CONFIG).parent
    enter_project(elsewhere / "other.yaml")
    assert sys.path[:2] == [str(project), str(elsewhere)]
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(project), str(elsewhere)]
    # Again, and with what the user has set.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(elsewhere), "/opt/more"])
    enter_project()
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(project), str(elsewhere), "/opt/more"]
    assert sys.path.count(str(project)) == 1


@pytest.mark.parametrize("name", ["types.py", "random.py", "json/__init__.py"])
def test_a_file_that_hides_a_module_of_python_is_refused(project, name):
    path = write(project, name)
    shown = path.parent if path.name == "__init__.py" else path
    with pytest.raises(ConfigError) as caught:
        enter_project()
    assert str(caught.value) == f"{shown}: hides Python's own module '{shown.stem}'; rename it"
    assert str(project) not in sys.path


@pytest.mark.parametrize("name", ["yaml.py", "numpy/__init__.py", "tensorflow/__init__.py", "google/__init__.py"])
def test_a_file_that_hides_a_package_of_hilir_is_refused(project, name):
    path = write(project, name)
    shown = path.parent if path.name == "__init__.py" else path
    (fault,) = find_hiding(project, SITE)
    assert fault == f"{shown}: hides the installed package '{shown.stem}', which hilir needs; rename it"


def test_a_package_of_the_name_hilir_is_refused(project):
    write(project, "hilir/__init__.py")
    assert "hides the installed package 'hilir'" in "".join(find_hiding(project, SITE))


def test_every_fault_is_named(project):
    for name in ("types.py", "yaml.py"):
        write(project, name)
    with pytest.raises(ConfigError) as caught:
        enter_project()
    assert len(caught.value.faults) == 2


def test_folders_named_like_ours_hide_nothing(project):
    for name in ("models", "pipeline", "components", "serving", "configs", "tests", "docs", "cli", "analysis"):
        write(project, f"{name}/__init__.py")
    assert list(find_hiding(project, SITE)) == []


def test_a_folder_without_modules_hides_nothing(project):
    write(project, "numpy/rows.csv")
    write(project, "random/notes.txt")
    write(project, "not-a-module.py")
    assert list(find_hiding(project, SITE)) == []


def test_a_project_that_is_installed_itself_hides_nothing(project, monkeypatch, tmp_path):
    site = tmp_path / "site-packages"
    write(site, "mine/__init__.py")
    write(site, "mine-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    write(site, "mine-1.0.dist-info/top_level.txt", "mine\n")
    monkeypatch.syspath_prepend(site)
    assert list(find_hiding(project, [str(site), *SITE])) == []
    enter_project()
    assert sys.path[0] == str(project)


@pytest.mark.parametrize("command", [("config", "check", "mine.yaml"), ("doctor", "mine.yaml"), ("doctor",)])
def test_check_and_doctor_refuse_before_anything_else_fails(project, command):
    path = write(project, "random.py", "raise SystemExit('the wrong random')\n")
    code, _, told = call(*command)
    assert code == 3
    assert told == f"hilir: {path}: hides Python's own module 'random'; rename it\n"


def test_check_accepts_the_project_from_its_folder_and_from_elsewhere(project, monkeypatch, tmp_path):
    write(project, "mine.yaml", CONFIG.replace("path: data", f"path: {project}/data"))
    assert call("config", "check") == (0, "mine.yaml: ok\n", "")
    monkeypatch.chdir(tmp_path)
    assert call("config", "check", "project/mine.yaml") == (0, "project/mine.yaml: ok\n", "")


def test_the_doctor_takes_the_only_configuration_of_the_folder_and_names_several(project):
    code, told, _ = call("doctor")
    assert code == 3
    assert "ok    configuration: mine.yaml\n" in told
    write(project, "second.yaml", CONFIG)
    code, told, _ = call("doctor")
    assert code == 0, told
    advice = "none is checked; name one of them, as in 'hilir doctor mine.yaml'"
    assert f"ok    configuration: mine.yaml, second.yaml: {advice}\neverything is ok\n" in told


def test_a_configuration_that_cannot_be_read_is_told_with_its_line(project):
    write(project, "mine.yaml", "model:\n\tname: mine\n\tpackage: mine\n")
    code, _, told = call("config", "check")
    assert code == 3
    assert told == ("hilir: mine.yaml, line 2, column 1: is not valid YAML: there is a tab; indent with spaces\n")


def test_the_configurations_are_those_with_a_model_package(project):
    assert find_configs() == [Path("mine.yaml")]
    for name, content in {"list.yaml": "[1]", "broken.yaml": "{", "other.yml": "model: 3", "none.yaml": ""}.items():
        write(project, name, content)
    assert find_configs(project) == [project / "mine.yaml"]
    write(project, "second.yml", CONFIG)
    assert find_configs() == [Path("mine.yaml"), Path("second.yml")]
    code, _, told = call("config", "check")
    assert code == 2
    assert "CONFIG is missing, and there are several here: mine.yaml, second.yml; name one of them" in told


def test_without_one_in_the_folder_those_in_configs_count(project):
    (project / "mine.yaml").rename(write(project, "configs/mine.yaml"))
    assert find_configs() == [Path("configs/mine.yaml")]
    (project / "configs/mine.yaml").unlink()
    assert find_configs() == []
    assert "no YAML file here has the key model.package" in call("config", "check")[2]
