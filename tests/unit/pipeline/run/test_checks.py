import os
from pathlib import Path

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.run.checks import check_config, require, writable


def of(*settings: str):
    return load("configs/taxi.yaml", settings=settings).config


def faults(*settings: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        require(of(*settings))
    return list(caught.value.faults)


def test_the_shipped_configurations_point_to_what_is_there():
    require(load("configs/taxi.yaml").config)
    require(load("configs/digits.yaml").config)


def test_all_paths_that_are_wrong_are_told_at_once(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert faults(f"data.path={empty}", "schema.path=nowhere.pbtxt", "model.package=models.nobody") == [
        f"data.path '{empty}': holds no file that matches '*.csv'; correct data.path or data.pattern",
        "schema.path 'nowhere.pbtxt': does not exist; give a schema file, or null to infer the schema",
        "model.package 'models.nobody': cannot be imported from here; "
        "fix the import path, or type the command in its folder",
    ]


def test_a_data_path_that_does_not_exist():
    assert faults("data.path=/nowhere/at/all") == [
        "data.path '/nowhere/at/all': does not exist; give the folder that holds the data"
    ]


def test_a_data_path_that_is_in_the_projects_folder_and_not_in_the_current_one(tmp_path, monkeypatch):
    (tmp_path / "project" / "rows").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    config = load("configs/taxi.yaml", [], ["data.path=rows"]).config
    monkeypatch.chdir(tmp_path / "here")
    found = check_config(config)
    assert str(next(iter(found))) == (
        f"data.path 'rows': does not exist in the current folder, {tmp_path / 'here'}; "
        f"give the folder that holds the data"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "project"))
    found = check_config(config)
    assert str(next(iter(found))) == (
        f"data.path 'rows': does not exist in the current folder, {tmp_path / 'here'}; "
        f"type the command in {tmp_path / 'project'}, or give it as {tmp_path / 'project' / 'rows'}"
    )


def test_a_data_path_that_is_a_file_or_a_pattern(taxi_rows):
    for path in (taxi_rows, f"{taxi_rows.parent}/d*.csv"):
        require(load("configs/taxi.yaml", [], [f"data.path={path}", "data.pattern=x"]).config)
    pattern = f"{taxi_rows.parent}/e*.csv"
    assert faults(f"data.path={pattern}") == [
        f"data.path '{pattern}': holds no file that matches 'e*.csv'; correct data.path or data.pattern"
    ]


def test_spans_are_looked_for_and_may_come_later(tmp_path):
    where, pattern = f"data.path={tmp_path}", "data.pattern={SPAN}/*.csv"
    require(load("configs/taxi.yaml", [], [where, pattern]).config)
    (tmp_path / "2025-02").mkdir()
    (tmp_path / "2025-02" / "a.csv").write_text("n\n1\n")
    (fault,) = faults(where, pattern)
    assert fault == (
        f"data.path '{tmp_path}': holds no file that matches '{{SPAN}}/*.csv' ({tmp_path}/2025-02/a.csv is there, and "
        "{SPAN} stands for a whole number; days and months are {YYYY}, {MM}, {DD}); correct data.path or data.pattern"
    )
    require(load("configs/taxi.yaml", [], [where, "data.pattern={YYYY}-{MM}/*.csv"]).config)
    (fault,) = faults(where, "data.pattern={MONTH}/*.csv")
    assert "data.pattern: has {MONTH}, which stands for nothing; write {SPAN}, {YYYY}, {MM}, {DD} or {VERSION}" in fault


def test_files_of_each_split(taxi_rows):
    splits = "data.splits={train: data*, eval: none*}"
    assert faults(f"data.path={taxi_rows.parent}", splits) == [
        f"data.path '{taxi_rows.parent}': holds no file that matches 'none*'; correct data.path or data.pattern"
    ]


def test_a_query_cannot_be_read_here():
    assert faults("data.format=bigquery", "data.query=SELECT 1") == [
        "data.format 'bigquery': is read on Vertex AI only; compile it with 'hilir compile', "
        "or give files with data.path"
    ]


def test_a_package_that_is_not_installed():
    assert faults("data.path=package:nobody_has_this/data") == [
        "data.path 'package:nobody_has_this/data': the package 'nobody_has_this' is not installed; "
        "install it or give a folder"
    ]


def test_a_model_package_that_lacks_a_module(tmp_path, monkeypatch):
    package = tmp_path / "lacking"
    package.mkdir()
    for name in ("__init__.py", "features.py", "model.py"):
        (package / name).write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert faults("model.package=lacking") == [
        "model.package 'lacking': lacks preprocessing.py; "
        "add it; 'hilir new --example taxi' writes one that has all of it"
    ]


def test_a_folder_below_a_file_cannot_be_written(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    finding = writable("serving.root", f"{file}/models")
    assert str(finding) == f"serving.root '{file}/models': {file} is a file; choose another folder"


@pytest.fixture
def nobody():
    """Takes away root's permission to write everywhere."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.mark.usefixtures("nobody")
def test_a_folder_without_permission_cannot_be_written():
    folder = "/usr"
    finding = writable("serving.root", str(folder))
    assert str(finding) == (
        f"serving.root '{folder}': {folder} is not writable; make it writable or choose another serving.root"
    )


def test_looking_makes_nothing(tmp_path):
    assert writable("serving.root", str(tmp_path / "a" / "b")).ok
    assert list(Path(tmp_path).iterdir()) == []


def test_folders_whose_names_are_patterns_are_refused(tmp_path):
    data = tmp_path / "rows[1]"
    data.mkdir()
    (data / "rows.csv").write_text("a\n1\n")
    told = "has one of the characters * ? [ ], which stand for others in patterns of files; rename the folder"
    assert faults(f"data.path={data}", f"pipeline.root={data}/out") == [
        f"data.path '{data}': {told}",
        f"pipeline.root '{data}/out': {data}/out {told}",
    ]


def test_a_folder_with_such_a_name_may_not_be_the_current_one(tmp_path, monkeypatch):
    folder = tmp_path / "mine*"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert not writable("pipeline.root", "out").ok
    assert writable("pipeline.root", str(tmp_path)).ok


def test_a_model_package_that_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "single.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    (fault,) = [finding for finding in check_config(of("model.package=single")) if not finding.ok]
    assert fault.fact == f"is one file, {tmp_path}/single.py"
    assert fault.remedy == "make it a folder with features.py, preprocessing.py and model.py"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("class Profit: pass\n", None),
        ("if True:\n    class Profit: pass\n", None),
        ("from somewhere import *\n", None),
        ("class Loss: pass\n", "has no class Profit"),
        ("class Profit:\n    def update(self:\n", "line 2: '(' was never closed"),
        ("class Profit: pass\n\0", "line 1: source code string cannot contain null bytes"),
    ],
)
def test_own_metrics_are_looked_for_in_their_source_alone(tmp_path, monkeypatch, source, fault):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("raise SystemExit('this was executed')\n")
    (tmp_path / "shop" / "metrics.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = of(
        "evaluate.metrics=[{name: profit, module: shop.metrics, class: Profit}]",
        "evaluate.thresholds=[{metric: profit, min: 0}]",
    )
    (found,) = [finding for finding in check_config(config) if "profit" in finding.what]
    assert (None if found.ok else found.fact.replace(f"{tmp_path}/shop/metrics.py", "").lstrip(" ,")) == fault
