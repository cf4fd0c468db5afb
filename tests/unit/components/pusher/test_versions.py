import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from hilir.components.errors import PushError
from hilir.components.pusher import numbered_versions


def fill(folder: str) -> None:
    Path(folder).mkdir(parents=True)
    (Path(folder) / "saved_model.pb").write_bytes(b"model")


def push(folder, source: str = "a run", filler=fill) -> int:
    return numbered_versions.publish(str(folder), filler, lambda version: {"version": version, "source": source})


def test_versions_count_up_and_carry_their_manifest(tmp_path):
    assert [push(tmp_path / "m"), push(tmp_path / "m")] == [1, 2]
    assert numbered_versions.list_versions(str(tmp_path / "m")) == [1, 2]
    assert json.loads((tmp_path / "m" / "2" / "manifest.json").read_text()) == {"version": 2, "source": "a run"}
    assert (tmp_path / "m" / "2" / "saved_model.pb").read_bytes() == b"model"


def test_a_gap_is_not_filled(tmp_path):
    (tmp_path / "m" / "7").mkdir(parents=True)
    assert push(tmp_path / "m") == 8


def test_what_was_pushed_from_the_same_source_is_found(tmp_path):
    push(tmp_path, "first")
    push(tmp_path, "second")
    assert numbered_versions.find_pushed(str(tmp_path), "first") == 1
    assert numbered_versions.find_pushed(str(tmp_path), "third") is None


def test_a_folder_of_another_tool_is_no_obstacle(tmp_path):
    (tmp_path / "3").mkdir()
    assert numbered_versions.find_pushed(str(tmp_path), "first") is None


def test_a_push_that_fails_leaves_nothing(tmp_path):
    def break_off(folder: str) -> None:
        fill(folder)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        push(tmp_path, filler=break_off)
    assert [name for name in os.listdir(tmp_path) if name != ".push.lock"] == []


def _push_many(folder: str, count: int, queue) -> None:
    queue.put([push(folder) for _ in range(count)])


def test_pushes_at_once_never_collide(tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_push_many, args=(str(tmp_path), 10, queue)) for _ in range(3)]
    for worker in workers:
        worker.start()
    numbers = [number for _ in workers for number in queue.get(timeout=120)]
    for worker in workers:
        worker.join(timeout=60)
    assert sorted(numbers) == list(range(1, 31))
    assert all((tmp_path / str(number) / "manifest.json").exists() for number in numbers)


def _push_slowly(folder: str) -> None:
    def slow(target: str) -> None:
        fill(target)
        time.sleep(60)

    push(folder, filler=slow)


def test_a_killed_push_leaves_no_version_and_the_next_one_cleans_up(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_push_slowly, args=(str(tmp_path),))
    process.start()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".staged-*/saved_model.pb")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join(timeout=10)
    assert numbered_versions.list_versions(str(tmp_path)) == []
    assert push(tmp_path) == 1
    assert sorted(os.listdir(tmp_path)) == [".push.lock", "1"]


def test_a_serving_root_that_cannot_be_written_is_named(tmp_path):
    before = os.geteuid()
    tmp_path.chmod(0o755)
    if before == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(PushError) as caught:
            push("/usr/models/taxi")
    finally:
        os.seteuid(before)
    assert str(caught.value) == (
        "/usr/models: cannot be written to (Permission denied); make it writable or choose another serving.root"
    )


def test_an_object_store_gets_saved_model_pb_last(monkeypatch):
    """A reader of an object store relies on the order; there is none here, so the copies are recorded."""
    copied: list[str] = []
    monkeypatch.setattr(numbered_versions, "_copy", lambda source, target: copied.append(target))
    monkeypatch.setattr(
        numbered_versions.fileio, "walk", lambda folder: [(folder, [], ["saved_model.pb", "manifest.json", "a"])]
    )
    monkeypatch.setattr(numbered_versions.fileio, "rmtree", lambda folder: None)
    monkeypatch.setattr(numbered_versions, "_write_manifest", lambda folder, manifest: None)
    monkeypatch.setattr(numbered_versions, "list_versions", lambda folder: [4])
    assert numbered_versions.publish("gs://bucket/m", lambda folder: None, lambda version: {}) == 5
    assert copied == [f"gs://bucket/m/5/{name}" for name in ("manifest.json", "a", "saved_model.pb")]


def fill_exports(folder: str) -> None:
    (Path(folder) / "tflite").mkdir(parents=True)
    (Path(folder) / "tflite" / "int8.tflite").write_bytes(b"small")


def push_exported(folder) -> int:
    return numbered_versions.publish(
        str(folder), fill, lambda version: {"version": version, "source": "a"}, fill_exports
    )


def test_exports_get_the_number_of_their_version(tmp_path):
    assert [push(tmp_path / "m"), push_exported(tmp_path / "m")] == [1, 2]
    assert (tmp_path / "m" / "exports" / "2" / "tflite" / "int8.tflite").read_bytes() == b"small"
    assert numbered_versions.list_versions(str(tmp_path / "m")) == [1, 2]
    assert not (tmp_path / "m" / "exports" / "1").exists()


def test_exports_that_fail_leave_no_version(tmp_path):
    def break_off(folder: str) -> None:
        fill_exports(folder)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        numbered_versions.publish(str(tmp_path / "m"), fill, lambda version: {"source": ""}, break_off)
    assert {path.name for path in (tmp_path / "m").iterdir()} <= {".push.lock"}


def test_a_push_that_fails_between_the_renames_leaves_neither(tmp_path, monkeypatch):
    rename = os.rename

    def fail_on_version(source: str, target: str) -> None:
        if target.endswith("/1") and "exports" not in target:
            raise OSError("no")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_on_version)
    with pytest.raises(OSError, match="no"):
        push_exported(tmp_path / "m")
    assert list((tmp_path / "m" / "exports").iterdir()) == []
    assert numbered_versions.list_versions(str(tmp_path / "m")) == []


def die_between_the_renames(folder: str) -> None:
    rename = os.rename

    def rename_or_die(source: str, target: str) -> None:
        if target.endswith("/1") and "exports" not in target:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)

    os.rename = rename_or_die
    push_exported(folder)


def test_what_a_push_killed_between_the_renames_leaves_is_no_version_and_is_removed(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=die_between_the_renames, args=(str(tmp_path / "m"),))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert numbered_versions.list_versions(str(tmp_path / "m")) == []
    assert push(tmp_path / "m") == 1
    assert list((tmp_path / "m" / "exports").iterdir()) == []


def test_an_export_is_replaced_and_the_manifest_says_so(tmp_path):
    push_exported(tmp_path / "m")
    source = tmp_path / "new"
    source.mkdir()
    (source / "float16.tflite").write_bytes(b"other")
    folder = numbered_versions.replace_export(str(tmp_path / "m"), 1, "tflite", str(source), {"variants": ["float16"]})
    assert [path.name for path in Path(folder).iterdir()] == ["float16.tflite"]
    manifest = json.loads((tmp_path / "m" / "1" / "manifest.json").read_text())
    assert manifest["exports"] == {"tflite": {"variants": ["float16"]}}
    assert {path.name for path in (tmp_path / "m").iterdir()} == {".push.lock", "1", "exports"}
    with pytest.raises(PushError, match="version 7 with a manifest does not exist"):
        numbered_versions.replace_export(str(tmp_path / "m"), 7, "tflite", str(source), {})
