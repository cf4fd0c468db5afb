"""What is wrong with a model package is found in its source, and what is not, when it is imported."""

from __future__ import annotations

import sys

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.run.package_check import check_import, check_sources, needs_import

GOOD = {
    "features": 'LABEL = "kind"\nLABEL_COLUMNS: tuple = ("kind",)\n',
    "preprocessing": "def preprocessing_fn(inputs):\n    return inputs\n",
    "model": """
from pydantic import BaseModel


class Hyperparameters(BaseModel):
    model_config = {"extra": "forbid"}
    units: int = 4


build_model, other = print, 1
""",
}


@pytest.fixture
def find(tmp_path, monkeypatch):
    """Returns a function that writes a package with some modules replaced and returns a check's findings."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(check, *settings: str, **modules: str) -> list[str]:
        for name, source in (GOOD | modules).items():
            (tmp_path / "mine" / f"{name}.py").write_text(source)
        config = load("configs/taxi.yaml", settings=("model.package=mine", *settings)).config
        return [str(finding).replace(str(tmp_path), "") for finding in check(config) if not finding.ok]

    yield run
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


def test_a_complete_package(find):
    assert find(check_sources) == []
    assert "mine.model" not in sys.modules


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        (
            "features",
            'LABELS = "kind"\n',
            "/mine/features.py lacks LABEL; add it; 'hilir new --example taxi' writes",
        ),
        ("features", "LABEL = 3\nLABEL_COLUMNS = ()\n", "/mine/features.py: LABEL is 3; give the name of the label"),
        ("preprocessing", "def preprocess(inputs): ...\n", "/mine/preprocessing.py lacks preprocessing_fn; add it"),
        ("model", "def build_model(hparams): ...\n", "/mine/model.py lacks Hyperparameters; add it"),
        ("model", "def build_model(hparams:\n", "/mine/model.py, line 1: '(' was never closed; fix that line"),
    ],
)
def test_what_the_source_shows(find, module, source, fault):
    (found,) = find(check_sources, **{module: source})
    assert found.startswith(f"model.package 'mine': {fault}")


def test_names_that_only_the_import_shows_are_left_to_it(find):
    assert find(check_sources, features="from os.path import *\n") == []
    assert find(check_sources, model="try:\n    from x import build_model\nexcept ImportError:\n    pass\n") == []


def test_hyperparameters_are_checked_by_the_packages_class(find):
    wrong = find(check_import, "train.hyperparameters={unit: 3}")
    assert wrong == [
        "model.package 'mine': mine.model.Hyperparameters: train.hyperparameters.unit: there is no such field, "
        "did you mean 'units'?; it has units"
    ]
    assert find(check_import, "train.hyperparameters={units: 3}") == []


def test_a_search_needs_a_space(find):
    (found,) = find(check_import, "train.tune.enabled=true")
    assert found == (
        "model.package 'mine': mine.model.Hyperparameters declares no search space; give a field, for example "
        "'units', json_schema_extra={'search': {'min': …, 'max': …}} or {'choices': […]}"
    )


def test_an_error_of_the_package_is_told_with_its_message(find):
    (found,) = find(check_import, model="raise RuntimeError('no such table')\n")
    assert found.startswith("model.package 'mine': mine.model cannot be imported: RuntimeError: no such table")
    assert found.endswith("; fix it")


def test_a_metric_that_fails_is_named_once_with_its_key(find):
    metrics = (
        "evaluate={metrics: [{name: profit, module: mine.model, class: other}], thresholds: [{metric: profit, min: 0}]}"
    )
    (found,) = find(check_import, metrics)
    assert found == (
        "evaluate.metrics: 'profit': mine.model.other is not a metric; "
        "make it a subclass of tf_keras.metrics.Metric (not of keras.metrics.Metric of Keras 3)"
    )


def test_what_needs_the_import():
    assert not needs_import(load("configs/taxi.yaml").config)
    assert needs_import(load("configs/taxi.yaml", settings=("train.tune.enabled=true",)).config)
    assert needs_import(load("configs/taxi.yaml", settings=("train.hyperparameters={embedding_size: 3}",)).config)
