"""Reports of past runs: found by name, and right about a run that was killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hilir.pipeline.cli.main import _run
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.report.document import Document, write_document
from hilir.pipeline.run.past.folders import find_folder, list_folders
from hilir.pipeline.run.past.reports import read_run, write_page


def make_run(place: Path, name: str, **fields: object) -> Path:
    folder = place / name
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    write_document(Document(name, name.split("-")[0], **fields), folder)  # type: ignore[arg-type]
    return folder


def test_runs_are_sorted_by_the_time_in_their_names(tmp_path: Path) -> None:
    for name in ("zebra-20250101-000000", "taxi-20260101-000000", "taxi-20260101-000000-2", "my-20-x-20261231-235959"):
        make_run(tmp_path, name)
    (tmp_path / "no-run").mkdir()
    assert [folder.name for folder in list_folders(tmp_path)] == [
        "my-20-x-20261231-235959",
        "taxi-20260101-000000-2",
        "taxi-20260101-000000",
        "zebra-20250101-000000",
    ]


def test_the_newest_run_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no run in runs; type 'hilir run'"):
        find_folder(None)
    make_run(tmp_path / "runs", "taxi-20260101-000000")
    make_run(tmp_path / "other", "taxi-20260102-000000")
    assert find_folder(None) == Path("runs/taxi-20260101-000000")
    assert find_folder(None, ["pipeline.runs=other"]) == Path("other/taxi-20260102-000000")


@pytest.mark.parametrize("name", ["..", ".", "", "../runs/taxi-20260101-000000", "nothing"])
def test_a_name_is_not_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs", "taxi-20260101-000000")
    with pytest.raises(ConfigError, match="there is no run"):
        find_folder(name)


def test_a_run_that_ended_without_a_word_was_killed(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "taxi-20260101-000000")
    found = read_run(folder)
    assert found.status == "killed"
    assert "log.txt" in found.reasons[0]
    ended = make_run(tmp_path, "taxi-20260102-000000", status="failed", reasons=["no"])
    assert read_run(ended).reasons == ["no"]


def test_the_command_writes_the_page_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs", "taxi-20260101-000000", status="succeeded")
    assert _run(["report", "--out", "page.html"]) == 0
    assert capsys.readouterr().out == "page.html\n"
    assert "Succeeded" in (tmp_path / "page.html").read_text()
    (tmp_path / "runs" / "taxi-20260101-000000" / "report.json").write_text("{")
    assert _run(["report"]) == 3
    assert "the run has no report; 'hilir report taxi-20260101-000000 --anew'" in capsys.readouterr().err


def test_two_runs_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs", "taxi-20260101-000000", status="failed", config=[["train.epochs", 1, "x"]])
    make_run(tmp_path / "runs", "taxi-20260102-000000", status="failed", config=[["train.epochs", 2, "x"]])
    arguments = ["runs", "diff", "taxi-20260101-000000", "taxi-20260102-000000", "--out", "page.html"]
    assert _run(arguments) == 0
    assert "  train.epochs  1 → 2" in capsys.readouterr().out.splitlines()
    assert "train.epochs" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("part", "value"),
    [("curves", {"loss": 7}), ("edges", [1]), ("evaluation", {"metrics": 3}), ("steps", ["x"]), ("statistics", 5)],
)
def test_a_damaged_report_is_a_sentence(tmp_path: Path, part: str, value: object) -> None:
    folder = make_run(tmp_path, "taxi-20260101-000000", status="failed")
    path = folder / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: value}))
    with pytest.raises(ConfigError, match=r"report\.json: is not as the run wrote it .*--anew' makes it"):
        write_page(folder)
