"""Files and folders appear complete, or not at all."""

from pathlib import Path

import pytest

from hilir.components.staging import staged, write_file
from tests.pipes import open_pipe


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_replaces_another_and_leaves_nothing_behind(tmp_path):
    target = tmp_path / "new folder" / "a.json"
    write_file(target, "first")
    write_file(target, b"\xff")
    assert target.read_bytes() == b"\xff"
    assert names(target.parent) == ["a.json"]


def test_a_failure_leaves_what_was_there(tmp_path):
    target = tmp_path / "a.txt"
    write_file(target, "old")
    with pytest.raises(RuntimeError), staged(target) as path:
        Path(path).write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_block_that_writes_nothing_leaves_what_was_there(tmp_path):
    target = tmp_path / "a.txt"
    write_file(target, "old")
    with pytest.raises(FileNotFoundError), staged(target):
        pass
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_nobody_sees_a_folder_before_it_is_complete(tmp_path):
    target = tmp_path / "data"
    with staged(target) as path:
        (Path(path) / "inner").mkdir(parents=True)
        (Path(path) / "inner" / "a").write_text("1")
        assert not target.exists()
        assert [name.startswith(".staged-") for name in names(tmp_path)] == [True]
    assert (target / "inner" / "a").read_text() == "1"
    assert names(tmp_path) == ["data"]


def test_a_folder_is_exchanged_as_a_whole(tmp_path):
    target, elsewhere = tmp_path / "exports" / "tfjs", tmp_path / "elsewhere"
    target.mkdir(parents=True)
    (target / "old").touch()
    with staged(target, within=elsewhere) as path:
        assert Path(path).parent == elsewhere
        Path(path).mkdir()
        (Path(path) / "new").touch()
        assert names(target) == ["old"]
    assert names(target) == ["new"]
    assert names(elsewhere) == []


def test_a_folder_that_somebody_else_made_meanwhile_stays(tmp_path):
    target = tmp_path / "data"
    with pytest.raises(OSError), staged(target) as path:
        Path(path).mkdir()
        (Path(path) / "mine").touch()
        target.mkdir()
        (target / "theirs").touch()
    assert names(target) == ["theirs"]
    assert names(tmp_path) == ["data"]


def test_an_object_store_gets_the_object_itself(tmp_path, monkeypatch):
    # TensorFlow's file systems have one in memory, which knows no rename of ours.
    from tfx.dsl.io import fileio

    write_file("ram://bucket/a.json", "{}")
    with fileio.open("ram://bucket/a.json", "r") as file:
        assert file.read() == "{}"


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe = tmp_path / "pipe"
    with open_pipe(pipe) as read:
        write_file(pipe, "a page")
        assert read() == b"a page"
