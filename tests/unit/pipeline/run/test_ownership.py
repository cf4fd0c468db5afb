"""Two projects with one model name do not share a store."""

import sys
from pathlib import Path

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.run.ownership import claim, require_own


@pytest.fixture
def make_project(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))

    def make(name: str):
        folder = tmp_path / name
        (folder / f"birds_{name}").mkdir(parents=True)
        (folder / f"birds_{name}" / "__init__.py").touch()
        config = folder / f"{name}.yaml"
        config.write_text(
            f"model: {{name: birds, package: birds_{name}}}\n"
            f"pipeline: {{root: {tmp_path}/store, runs: {folder}/runs}}\n"
            f"serving: {{root: {tmp_path}/models}}\n"
            "data: {path: data}\nevaluate: {metrics: [{name: auc, class: AUC}], thresholds: [{metric: auc, min: 0}]}\n"
        )
        return config

    for root in ("store", "models"):
        (tmp_path / root / "birds").mkdir(parents=True)
    return make


def test_a_second_project_is_refused_with_the_name_of_the_first_ones_configuration(make_project, tmp_path):
    first, second = load(make_project("one")), load(make_project("two"))
    require_own(first)
    claim(first)
    require_own(first)
    with pytest.raises(ConfigError) as caught:
        require_own(second)
    assert caught.value.faults == (
        f"pipeline.root: {tmp_path}/store/birds belongs to the project of {tmp_path}/one/one.yaml, which has the same "
        f"model.name 'birds'; give this one another model.name, or another pipeline.root",
        f"serving.root: {tmp_path}/models/birds belongs to the project of {tmp_path}/one/one.yaml, which has the same "
        f"model.name 'birds'; give this one another model.name, or another serving.root",
    )


def test_another_configuration_of_the_same_package_is_the_same_project(make_project):
    config = make_project("one")
    claim(load(config))
    other = config.with_name("small.yaml")
    other.write_text(config.read_text())
    require_own(load(other))


def test_a_project_that_is_gone_has_no_claim(make_project):
    config = make_project("one")
    claim(load(config))
    Path(config).unlink()
    require_own(load(make_project("two")))
