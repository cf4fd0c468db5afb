"""One server and one process for all contract tests: importing the client takes seconds."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from hilir.components.vertex.connection import Connection
from tests.contract.vertex.store import PROJECT, REGION
from tests.unit.pipeline.emulator.specs import Builder, dump


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    from tests.contract.vertex.server import Vertex

    vertex = Vertex(tmp_path_factory.mktemp("vertex"))
    yield vertex
    vertex.close()


@pytest.fixture
def vertex(started):  # type: ignore[no-untyped-def]
    """The server, without anything on it but the bucket gs://test-bucket."""
    store = started.store
    with store.lock:
        for running in started.pipelines.running.values():
            running.job.cancel.set()
    for running in started.pipelines.running.values():
        running.thread.join(20)
    started.pipelines.running.clear()
    started.endpoints.splits.clear()
    store.resources.clear()
    store.operations.clear()
    store.requests.clear()
    store.faults.waiting.clear()
    shutil.rmtree(store.folder, ignore_errors=True)
    (store.buckets / "test-bucket").mkdir(parents=True)
    return started


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails for good is tried again for seconds, not for minutes."""
    monkeypatch.setattr(Connection, "patience", 5.0)


@pytest.fixture
def settings(vertex) -> list[str]:  # type: ignore[no-untyped-def]
    """The options that send a command to the server."""
    values = {"project": PROJECT, "region": REGION, "endpoint": vertex.address}
    return [part for key, value in values.items() for part in ("--set", f"vertex.{key}={value}")]


@pytest.fixture
def hilir(settings: list[str]) -> Callable[..., Done]:
    """Runs a command of the program in this process, as the program itself runs it."""
    from hilir.pipeline.cli.main import _run

    def run(*arguments: str, code: int | None = 0) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            ended = _run([*arguments, *settings])
        done = Done(ended, out.getvalue(), err.getvalue())
        assert code is None or ended == code, done.said
        return done

    return run


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., str]:
    """Writes a specification of a small pipeline whose steps are plain programs; returns its path."""

    def write(build: Callable[[Builder], None] | None = None, name: str = "small") -> str:
        builder = Builder(name)
        (build or _two_steps)(builder)
        path = tmp_path / f"{name}.json"
        path.write_text(dump(builder.job()))
        return str(path)

    return write


def _two_steps(builder: Builder) -> None:
    builder.parameter("greeting", "STRING", "hello")
    greeting = {"componentInputParameter": "greeting"}
    builder.step(
        "Make", "write('text', parameter('greeting'))", makes={"text": "tfx.Model"}, parameters={"greeting": greeting}
    )
    builder.step("Read", "print('read', read('text'))", takes={"text": ("Make", "text")})
