"""What `hilir clean` removes from a real metadata store and real folders, and what it leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from hilir.pipeline.clean.clean import clean
from hilir.pipeline.clean.retention import Rule
from hilir.pipeline.config import load
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.run.process_lock import ProcessLock
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import State, Version
from tests.unit.pipeline.clean.project import YAML, Project


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def test_old_runs_go_and_what_the_kept_one_took_from_others_stays(project):
    project.run()
    project.run()
    third = project.run(baseline=2)
    before = project.folders
    dry = project.clean(1, dry_run=True)
    assert (len(dry.runs), len(dry.artifacts), [version.number for version in dry.versions]) == (2, 2, [1])
    assert project.folders == before
    assert project.versions == ["1", "2", "3"]
    done = project.clean(1)
    assert (done.runs, done.artifacts, done.size) == (dry.runs, dry.artifacts, dry.size)
    # The examples came from the first run, the baseline from the second, whose push the next run will look for.
    assert project.folders == [
        "ExampleGen/examples/1",
        "Pusher/pushed_model/20",
        "Pusher/pushed_model/30",
        "Trainer/model/20",
        "Trainer/model/30",
    ]
    assert project.versions == ["2", "3"]
    assert project.list_runs() == [third]
    assert [path.name for path in (project.folder / "runs").iterdir()] == [third]
    assert sorted(path.name for path in (project.folder / "out/models/mine/exports").iterdir()) == ["2", "3"]
    states = {artifact.uri.split("mine/")[-1]: artifact.state for artifact in project.store.get_artifacts()}
    assert {uri for uri, state in states.items() if state == mlmd.Artifact.DELETED} == {
        "Trainer/model/10",
        "Pusher/pushed_model/10",
    }
    again = project.clean(1)
    assert [again.runs, again.artifacts, again.versions] == [[], [], []]


def test_what_is_young_stays(project):
    for _ in range(3):
        project.run()
    assert not project.clean(1, days=1).runs
    assert project.versions == ["1", "2", "3"]
    old = 40 * 86_400
    os.utime(project.folder / "out/models/mine/1", (0, os.stat(project.folder).st_mtime - old))
    # Its run is young and stays, with what it pushed.
    assert not project.clean(1, days=30).versions


def test_versions_of_a_release_stay_with_the_runs_that_made_them(project):
    names = [project.run() for _ in range(6)]
    store = Store(project.folder / "out/models")
    versions = {number: Version(manifest="0", loaded=number in (2, 3)) for number in (1, 2, 3)}
    state = store.read("mine").model_copy(
        update={
            "versions": versions,
            "labels": {"stable": 3, "candidate": 2},
            "split": {"stable": 90.0, "candidate": 10.0},
        }
    )
    event = {"at": "", "verb": "promote", "version": 1, "candidate": None, "percent": 0}
    history = [event | {"stable": number} for number in (4, 1, 3)]
    store.write(State.model_validate(state.to_json() | {"history": history}))
    plan = project.clean(1)
    assert plan.protected == {1: "previous stable", 2: "candidate", 3: "stable"}
    assert project.versions == ["1", "2", "3", "6"]
    assert sorted(project.list_runs()) == [names[0], names[1], names[2], names[5]]


def test_remains_of_a_killed_clean_or_run_go(project):
    project.run()
    (project.folder / "runs/.staged-mine-20250101-000000").mkdir()
    (project.root / "Trainer/model/99").mkdir()
    (project.root / "Trainer/checkpoints/7").mkdir(parents=True)
    (project.folder / "out/models/mine/.staged-1234").mkdir()
    (project.folder / "runs/mine-20200101-000000").mkdir()
    plan = project.clean(1)
    assert plan.runs == ["mine-20200101-000000"]
    assert "Trainer/model/99" not in project.folders
    assert (project.root / "Trainer/checkpoints/7").exists()
    assert len(list((project.folder / "runs").iterdir())) == 1


def test_it_refuses_while_a_run_holds_the_pipeline(project):
    project.run()
    lock = ProcessLock(project.root, ".run")
    assert lock.acquire(0)
    try:
        with pytest.raises(
            ConfigError, match=rf"a run \(process {os.getpid()}\) uses out/pipelines/mine; type this again"
        ):
            project.clean(1)
    finally:
        lock.release()
    assert project.clean(1).runs == []


def test_nothing_has_run_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(YAML)
    plan = clean(load("mine.yaml").config, Rule(1), dry_run=False)
    assert [plan.runs, plan.artifacts, plan.versions] == [[], [], []]


@pytest.mark.parametrize(
    "first", ["out/pipelines/mine/Trainer/model/10", "runs/mine-20260101-000001", "out/models/mine/1"]
)
def test_a_clean_that_is_killed_leaves_nothing_half_and_the_next_one_ends_it(project, first):
    for _ in range(6):
        project.run()
    # So many files that there is a middle.
    for folder in [*project.root.glob("*/*/*0"), *Path("out/models/mine").glob("[0-9]"), *Path("runs").iterdir()]:
        for number in range(400):
            (folder / f"part-{number}").touch()
    command = [sys.executable, "-m", "hilir.pipeline.cli", "clean", "mine.yaml", "--keep", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while (project.folder / first).exists() and process.poll() is None:
            pass
        process.kill()
    assert process.returncode == -signal.SIGKILL
    # What is still there under its name is whole: versions with their manifest, kept runs with what they need.
    for number in project.versions:
        assert (project.folder / "out/models/mine" / number / "manifest.json").is_file()
        assert len(list((project.folder / "out/models/mine" / number).glob("part-*"))) == 400
    assert "6" in project.versions
    project.clean(1)
    assert project.versions == ["6"]
    assert project.folders == ["ExampleGen/examples/1", "Pusher/pushed_model/60", "Trainer/model/60"]
    assert project.list_runs() == ["mine-20260101-000006"]
    assert [path.name for path in (project.folder / "runs").iterdir()] == ["mine-20260101-000006"]
    assert sorted(path.name for path in (project.folder / "out/models/mine/exports").iterdir()) == ["6"]
    states = {artifact.uri.split("mine/")[-1]: artifact.state for artifact in project.store.get_artifacts()}
    assert {uri for uri, state in states.items() if state != mlmd.Artifact.DELETED} == set(project.folders)
    again = project.clean(1)
    assert [again.runs, again.artifacts, again.versions] == [[], [], []]
