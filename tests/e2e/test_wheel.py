"""The wheel in a fresh environment, and a project of the user's own in a folder outside the clone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.project import NAMES, write_project

pytestmark = pytest.mark.pipeline

UV = ROOT / ".tools" / "bin" / "uv"


def call(*command, cwd=None, code=0, **variables):
    """Runs a program as a user would: no PYTHONPATH, nothing that the tests have set."""
    hidden = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | variables
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def build_wheel(source, folder):
    call(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, source)
    (wheel,) = Path(folder).glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """What is in the repository, and nothing that a build or a run left."""
    folder = tmp_path_factory.mktemp("source")
    names = call("git", "ls-files", "-z", cwd=ROOT).stdout.split("\0")[:-1]
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """The site-packages of a fresh environment, made as the README says."""
    environment = tmp_path_factory.mktemp("fresh") / "environment"
    call(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    install = [UV, "pip", "install", "--quiet", "--python", python, "--no-deps"]
    call(*install, wheel)
    if (
        os.confstr("CS_GNU_LIBC_VERSION")
        != call(python, "-c", "import os; print(os.confstr('CS_GNU_LIBC_VERSION'))").stdout.strip()
    ):
        # Here the clone's environment has a newer glibc than the host.
        told = call(environment / "bin" / "hilir", "doctor", code=3).stderr
        assert told.count("\n") == 1
        assert f"type '{python} -m hilir.setup.glibc'" in told
    call(python, "-m", "hilir.setup.glibc")
    (site,) = environment.glob("lib/python3*/site-packages")
    before = {path.name for path in site.iterdir()}
    call(*install, "--require-hashes", "-r", ROOT / "requirements" / "runtime.txt")
    assert {name for name in before if name != "__pycache__"} == {"hilir", "hilir-0.1.0.dist-info"}
    yield site
    shutil.rmtree(environment)


def test_the_wheel_has_one_package_and_what_commands_need(wheel):
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
    assert {name.partition("/")[0] for name in names} == {"hilir", "hilir-0.1.0.dist-info"}
    for name in ("models/taxi/model.py", "models/taxi/preprocessing.py", "models/digits/dataset.py"):
        assert f"hilir/examples/{name}" in names
    for name in ("base.yaml", "taxi.yaml", "digits.yaml", "schemas/taxi.pbtxt", "overlays/vertex.yaml"):
        assert f"hilir/configs/{name}" in names
    for name in ("tfjs.txt", "tools.txt", "package.json", "package-lock.json", "npmrc", "glibc.sh"):
        assert f"hilir/setup/data/{name}" in names
    page = {
        path.name for path in (ROOT / "deploy/browser").iterdir() if path.suffix in (".html", ".css", ".js", ".svg")
    }
    assert page
    assert {f"hilir/pipeline/browser/page/{name}" for name in page} <= names
    assert "hilir/components/exporter/tfjs/js/verify.mjs" in names
    assert not [name for name in names if "node_modules" in name or name.endswith(".pyc")]


def test_a_wheel_from_the_sdist_has_the_same_files(source, wheel, tmp_path):
    call(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", tmp_path, cwd=source)
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (tmp_path / "wheel").mkdir()
    with zipfile.ZipFile(build_wheel(unpacked, tmp_path / "wheel")) as again, zipfile.ZipFile(wheel) as first:
        assert sorted(again.namelist()) == sorted(first.namelist())


def test_a_project_outside_the_clone_runs(site, tmp_path):
    hilir = site.parents[2] / "bin" / "hilir"
    project, elsewhere, modules = tmp_path / "project", tmp_path / "elsewhere", tmp_path / "modules"
    elsewhere.mkdir()
    modules.mkdir()
    yaml = write_project(project)

    def run(*arguments, cwd):
        done = call(hilir, "run", *arguments, "--json", cwd=cwd, MODULES=str(modules))
        return json.loads(done.stdout.splitlines()[-1]) | {"stdout": done.stdout}

    assert "everything is ok" in call(hilir, "doctor", yaml.name, cwd=project).stdout
    first = run(cwd=project)
    assert first["version"] == 1
    # From elsewhere it is the same project: nothing has to be computed again.
    second = run(yaml, cwd=elsewhere)
    assert {node["state"] for node in second["nodes"] if node["id"] not in ("LatestBlessed", "LastPush")} == {"cached"}
    workers = ("--set", "train.strategy=multi_worker", "--set", "train.workers=2")
    third = run(yaml, *workers, cwd=elsewhere)
    assert (third["status"], third["blessed"], third["version"]) == ("succeeded", True, 2)
    assert "Trainer running: workers 2" in third["stdout"]

    records = {path.stem: json.loads(path.read_text()) for path in modules.iterdir()}
    assert {name.partition("-")[0] for name in records} == {"Transform", "Trainer", "worker"}
    assert len({name.partition("-")[2] for name in records if name.startswith("worker")}) >= 2
    for name, found in records.items():
        assert Path(found["hilir"]).is_relative_to(site), name
        own = {module: path for module, path in found.items() if module.partition(".")[0] in NAMES}
        assert "models.mine" in own, name
        assert all(Path(path).is_relative_to(project) for path in own.values()), (name, own)


def test_outside_a_clone_the_doctor_names_what_is_there(site, tmp_path):
    python = site.parents[2] / "bin" / "python"
    call(UV, "pip", "uninstall", "--quiet", "--python", python, "uvloop")
    found = call(python.with_name("hilir"), "doctor", cwd=tmp_path, code=3).stdout
    assert "packages: uvloop is missing" in found
    assert "→ type 'pip install --require-hashes --no-deps -r runtime.txt' with the file that came with" in found
    assert "make " not in found
