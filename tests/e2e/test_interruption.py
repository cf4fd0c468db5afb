"""A run that is killed at any moment, or stopped by Ctrl-C, is completed by the same command."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from hilir.pipeline.run.metadata_store import connection
from tests.e2e.project import write_project
from tests.forking import Hilir

pytestmark = pytest.mark.pipeline


class Running:
    """A run in a process of its own, whose lines are read as they come."""

    def __init__(self, project: Path) -> None:
        self.lines: list[str] = []
        self._pipelines = project.parent / "out" / "pipelines"
        self._before = self._files()
        self.process = Hilir(
            ["run", project.name, "--json", "--set", "train.epochs=1"],
            cwd=project.parent,
            env=os.environ | {"MODULES": str(project.parent / "modules")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for(self, line: str) -> None:
        for read in self.process.stdout:
            self.lines.append(read.rstrip("\n"))
            if self.lines[-1] == line:
                return
        raise AssertionError("\n".join([*self.lines, self.process.stderr.read()]))

    def wait_for_output(self, node: str) -> None:
        """Waits until the node has written something in this run, so that it is in the middle of its work."""
        deadline = time.monotonic() + 120
        while not any(node in path.parts for path in self._files() - self._before):
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.02)

    def _files(self) -> set[Path]:
        return set(self._pipelines.rglob("*"))

    def stop(self, number: int) -> tuple[int, str]:
        os.killpg(self.process.pid, number)
        out, err = self.process.communicate(timeout=120)
        self.lines += out.splitlines()
        return self.process.returncode, err

    def finish(self) -> dict:
        out, err = self.process.communicate(timeout=600)
        assert self.process.returncode == 0, out + err
        self.lines += out.splitlines()
        return json.loads(self.lines[-1])


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "modules").mkdir()
    return write_project(tmp_path)


def states(result: dict) -> dict[str, str]:
    return {node["id"]: node["state"] for node in result["nodes"]}


def test_the_same_command_goes_on_after_every_kind_of_end(project):
    run = Running(project)
    run.wait_for("Transform running")
    run.wait_for_output("Transform")
    assert run.stop(signal.SIGKILL)[0] == -signal.SIGKILL

    run = Running(project)
    run.wait_for("Trainer running")
    run.wait_for_output("Trainer")
    code, err = run.stop(signal.SIGINT)
    assert code == 130
    assert err == (
        "hilir: interrupted in Trainer; finished steps are kept, 'hilir run mine.yaml --set train.epochs=1' "
        "continues where this run stopped\n"
    )
    stopped = json.loads(run.lines[-1])
    assert stopped["status"] == "interrupted"
    assert states(stopped)["Transform"] == "done"

    run = Running(project)
    run.wait_for("Trainer running")
    run.wait_for_output("Trainer")
    assert run.stop(signal.SIGKILL)[0] == -signal.SIGKILL

    run = Running(project)
    run.wait_for("Pusher running")
    run.stop(signal.SIGKILL)
    versions = project.parent / "out" / "models" / "mine"
    assert not versions.exists() or all((version / "manifest.json").exists() for version in versions.glob("[0-9]*"))

    result = Running(project).finish()
    assert result["version"] == 1
    assert states(result)["Trainer"] == "cached"
    assert sorted(path.name for path in versions.iterdir() if not path.name.startswith(".")) == ["1"]
    assert_nothing_is_left(project.parent / "out" / "pipelines" / "mine")


def assert_nothing_is_left(root: Path) -> None:
    """No execution is open, no folder is of one that did not end well, and no temporary file is left."""
    store = metadata_store.MetadataStore(connection(str(root)))
    states = {each.id: each.last_known_state for each in store.get_executions()}
    kinds = metadata_store_pb2.Execution
    assert not set(states.values()) & {kinds.RUNNING, kinds.NEW}
    assert list(states.values()).count(kinds.CANCELED) >= 3
    folders = [path for path in root.glob("*/*/*") if path.name.isdigit() and not path.parent.name.startswith(".")]
    assert folders
    assert {states[int(path.name)] for path in folders} <= {kinds.COMPLETE, kinds.CACHED}
    name = hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:12]
    assert not list(Path(tempfile.gettempdir()).glob(f"hilir-*-{name}"))


def test_a_second_run_on_the_same_store_waits_and_says_so(project):
    first = Running(project)
    first.wait_for("ExampleGen running")
    second = Running(project)
    line = second.process.stderr.readline()
    assert line == (
        f"hilir: another run (process {first.process.pid}) uses {project.parent}/out/pipelines/mine; "
        f"waiting until it ends (Ctrl-C: do not wait)\n"
    )
    made = first.finish()
    again = second.finish()
    assert made["version"] == 1
    assert states(again)["Trainer"] == "cached"
    assert again["run_id"] != made["run_id"]
