"""Whatever happened to a file of a project, each command that reads it ends in an answer or in a sentence."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hilir.pipeline.cli.main import _run
from hilir.pipeline.report.document import Document, write_document
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import Version
from tests.unit.pipeline.clean.test_clean import YAML, Project

RUN = "mine-20260101-000002"
VERBS = (
    ["runs", "list"],
    ["runs", "show", RUN],
    ["runs", "diff", "mine-20260101-000001", RUN],
    ["report", RUN],
    ["report", RUN, "--anew"],
    ["models", "list"],
    ["release", "list"],
    ["release", "history", "--model", "mine"],
    ["clean", "--dry-run"],
    ["config", "show"],
)
SEEDS = 2
"""How many values of each file are changed, one after the other."""


def make_project(folder: Path) -> list[Path]:
    """Makes runs, versions and a release; returns the files that can be damaged."""
    project = Project(folder)
    for _ in range(2):
        project.run()
    for name in ("mine-20260101-000001", RUN):
        run = folder / "runs" / name
        (run / "config.yaml").write_text(YAML)
        (run / "summary.json").write_text(json.dumps({"status": "succeeded", "version": 1, "reasons": []}))
        write_document(Document(name, "mine", status="succeeded"), run)
    store = Store(folder / "out/models")
    released = {"versions": {2: Version(manifest="0")}, "labels": {"stable": 2}, "split": {"stable": 100.0}}
    store.write(store.read("mine").model_copy(update=released))
    kinds = (".json", ".yaml", ".sqlite")
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in kinds)


def change_value(content: bytes, chance: random.Random) -> bytes:
    """Returns JSON with another value at one place; what is no JSON is cut."""
    try:
        found = json.loads(content)
    except ValueError:
        return content[: chance.randrange(len(content))]
    spots, waiting = [], [found]
    while waiting:
        place = waiting.pop()
        for key in place if isinstance(place, dict) else range(len(place)):
            spots.append((place, key))
            waiting += [place[key]] if isinstance(place[key], dict | list) else []
    if spots:
        place, key = chance.choice(spots)
        place[key] = chance.choice(
            [None, [], {}, "x", -1, 1e400, True, 10**30, [None], {"x": None}, "../..", "\x1b[31m"]
        )
    return json.dumps(found).encode()


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut": lambda content, chance: content[: chance.randrange(len(content))],
    "empty": lambda content, chance: b"",
    "bytes": lambda content, chance: chance.randbytes(200),
    "null": lambda content, chance: b"null",
    "list": lambda content, chance: b"[1, 2]",
    "text": lambda content, chance: b'"text"',
    "deep": lambda content, chance: b"[" * 100_000,
    "deep mappings": lambda content, chance: b'{"a":' * 100_000,
    "value": change_value,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    return make_project(tmp_path)


def test_the_project_is_whole(project: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert {path.name for path in project} == {
        "config.yaml", "manifest.json", "metadata.sqlite", "mine.yaml", "release.json", "report.json", "summary.json",
    }  # fmt: skip
    codes = {" ".join(verb): _run(list(verb)) for verb in VERBS}
    assert set(codes.values()) == {0}, capsys.readouterr().err


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_is_a_sentence(project: list[Path], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(kind)
    for _ in range(SEEDS if kind == "value" else 1):
        for path in project:
            content = path.read_bytes()
            path.write_bytes(DAMAGES[kind](content, chance))
            for verb in VERBS:
                code = _run(list(verb))
                told = capsys.readouterr()
                assert code in (0, 2, 3, 5), (verb, path, told)
                assert code == 0 or len(told.err.strip().splitlines()) >= 1, (verb, path)
                assert "Traceback" not in told.err + told.out, (verb, path)
                assert "\x1b" not in told.err + told.out, (verb, path)
            path.write_bytes(content)


def test_a_file_that_is_a_folder_is_a_sentence(project: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    for path in project:
        content = path.read_bytes()
        path.unlink()
        path.mkdir()
        for verb in VERBS:
            assert _run(list(verb)) in (0, 2, 3, 5), (verb, path)
        if path.is_dir():
            shutil.rmtree(path)
        path.write_bytes(content)
