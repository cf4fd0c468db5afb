"""`hilir image`: what it sends to an engine, with a program on the PATH that stands in for one."""

from __future__ import annotations

import os
import sys

import pytest

from hilir.pipeline.cli.main import _run
from hilir.pipeline.config import load
from hilir.pipeline.image.dockerfile import find_lacking, make_dockerfile
from tests.conftest import ROOT

CONFIG = """
model: {name: shop, package: shop}
data: {path: data}
evaluate: {metrics: [{name: auc, class: AUC}], thresholds: [{metric: auc, min: 0.6}]}
"""
DOCKERFILE = "ARG HILIR_IMAGE=hilir:0.1.0\nFROM ${HILIR_IMAGE}\nCOPY . /opt/hilir/\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder, which is the current one, with much that does not belong into an image."""
    folder = tmp_path / "project"
    for name, content in {
        "shop/__init__.py": "", "shop/model.py": "x = 1\n", "shop/__pycache__/model.pyc": "", "shop/.secret": "s",
        "prices.py": "", "shop.yaml": CONFIG,
        "schema.pbtxt": "", "data/rows.csv": "a\n1\n", ".venv/lib.py": "", "out/x/big.bin": "", ".env.yaml": "k: v\n",
    }.items():  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "shop" / "model.py").chmod(0o600)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    return folder


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Makes an engine that writes down how it is called, and keeps the folder that it is given."""

    def make(name, works=True, code=0):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f'#!/bin/sh\n[ "$1" = info ] && exit {0 if works else 1}\n'
            f'printf "%s " "{name}" "$@" >> {tmp_path}/called; echo >> {tmp_path}/called\n'
            f'for last; do :; done; [ -d "$last" ] && cp -a "$last" {tmp_path}/sent\nexit {code}\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        monkeypatch.setenv("ENGINE", " ".join(path.name for path in sorted(program.parent.iterdir())))

    return make


def sent(tmp_path):
    folder = tmp_path / "sent"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_dockerfile_has_three_lines():
    assert make_dockerfile() == DOCKERFILE


def test_package_and_configuration_are_built_and_pushed_and_nothing_else_is_sent(project, engine, tmp_path, capsys):
    engine("docker")
    arguments = ["--base", "r/hilir:1", "--tag", "r/shop:2", "--push", "--set", "schema.path=schema.pbtxt"]
    assert _run(["image", "shop.yaml", *arguments]) == 0
    build, push = (tmp_path / "called").read_text().splitlines()
    assert build.startswith("docker build --build-arg HILIR_IMAGE=r/hilir:1 --file ")
    context = build.split()[-1]
    assert f" --file {context}/Dockerfile --tag r/shop:2 {context}" in build
    assert push.strip() == "docker push r/shop:2"
    assert sent(tmp_path) == {
        "Dockerfile", "shop/__init__.py", "shop/model.py", "prices.py", "shop.yaml", "schema.pbtxt",
    }  # fmt: skip
    assert (tmp_path / "sent" / "shop" / "model.py").stat().st_mode & 0o777 == 0o644
    assert (project / "Dockerfile").read_text() == DOCKERFILE
    assert "next: hilir compile shop.yaml --set vertex.image=r/shop:2" in capsys.readouterr().out


def test_the_first_engine_that_works_builds_and_its_failure_is_one(project, engine, tmp_path, capsys):
    engine("a-docker", works=False)
    engine("buildah", code=4)
    assert _run(["image", "shop.yaml"]) == 3
    assert (tmp_path / "called").read_text().startswith("buildah build --layers --build-arg HILIR_IMAGE=hilir:0.1.0 ")
    assert "'buildah build' failed (exit code 4)" in capsys.readouterr().err


def test_a_dry_run_prints_files_and_commands_and_changes_nothing(project, capsys):
    assert _run(["image", "shop.yaml", "--dry-run"]) == 0
    assert capsys.readouterr().out == (
        f"files of {project}: prices.py, shop, shop.yaml\n"
        "docker build --build-arg HILIR_IMAGE=hilir:0.1.0 --file CONTEXT/Dockerfile --tag shop:1 CONTEXT\n"
    )
    assert not (project / "Dockerfile").exists()


def test_what_cannot_be_built_is_refused(project, engine, capsys):
    engine("docker", works=False)
    assert _run(["image", "shop.yaml"]) == 3
    assert "none of docker is on the PATH and works; install one" in capsys.readouterr().err
    assert _run(["image", "shop.yaml", "--tag", "hilir:0.1.0"]) == 3
    assert "would replace the one it is built on" in capsys.readouterr().err
    assert _run(["image", "shop.yaml", "--set", "model.package=other.one"]) == 3
    assert "model.package: 'other.one' is neither in" in capsys.readouterr().err
    (project / "Dockerfile").write_text("FROM python:3.11\n")
    assert _run(["image", "shop.yaml", "--dry-run"]) == 3
    assert "has no line 'FROM ${HILIR_IMAGE}'" in capsys.readouterr().err


def test_an_image_that_cannot_have_the_package_is_named(project):
    def lacking(*settings):
        return list(find_lacking(load("shop.yaml", settings=settings).config))

    assert lacking("vertex.image=eu.example:5000/r/hilir:1.0", "vertex.images={Trainer: 'r/shop:2'}") == [
        "vertex.image: 'eu.example:5000/r/hilir:1.0' is hilir's own image, which does not have the package 'shop'; "
        "type 'hilir image --base eu.example:5000/r/hilir:1.0 --tag eu.example:5000/r/shop:1.0' and name that image"
    ]
    (gpu,) = lacking("vertex.image=r/shop:2", "vertex.images={Trainer: 'r/hilir:1-gpu'}")
    assert gpu.startswith("vertex.images.Trainer: 'r/hilir:1-gpu' is hilir's own image")
    assert lacking() == []


def test_hilirs_own_image_has_its_examples():
    loaded = load(ROOT / "configs" / "taxi.yaml", settings=("vertex.image=r/hilir:1",))
    assert list(find_lacking(loaded.config)) == []
