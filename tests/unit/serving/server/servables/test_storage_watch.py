"""When a version that is being copied counts as complete, and when one that failed is tried again."""

import json

import pytest

from hilir.serving.server.servables.model_config import ModelSettings, VersionPolicy
from hilir.serving.server.servables.storage.listing import fingerprint
from hilir.serving.server.servables.storage.polling import StorageWatch

# So long that nothing settles during a test.
POLL_SECONDS = 3600.0


def write(folder, name, content=b"x"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_saved_model(folder):
    for name in ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"):
        write(folder, name)


def write_manifest(folder, **sizes):
    names = {name.replace("__", "/").replace("_pb", ".pb"): {"bytes": size} for name, size in sizes.items()}
    write(folder, "manifest.json", json.dumps({"files": names}).encode())


@pytest.fixture
def settings(tmp_path):
    return ModelSettings("m", str(tmp_path))


def test_a_version_is_wanted_at_the_first_look_that_finds_all_that_its_manifest_lists(settings, tmp_path):
    watch = StorageWatch(POLL_SECONDS)
    write_manifest(tmp_path / "1", saved_model_pb=2, assets__words=3)
    write(tmp_path / "1", "saved_model.pb", b"xx")
    assert watch.look(settings).waiting == {1: "assets/words is missing, manifest.json lists it"}
    write(tmp_path / "1", "assets/words", b"x")
    assert watch.look(settings).waiting == {1: "assets/words has 1 bytes, manifest.json lists 3"}
    assert watch.is_moving()
    write(tmp_path / "1", "assets/words", b"xxx")
    found = watch.look(settings)
    assert (found.wanted, found.waiting) == ({1: f"{tmp_path}/1"}, {})
    assert not watch.is_moving()


def test_a_copy_says_which_file_is_missing(settings, tmp_path):
    watch = StorageWatch(POLL_SECONDS)
    for name, missing in (
        ("variables/variables.data-00001-of-00002", "saved_model.pb is missing"),
        ("saved_model.pb", "variables/variables.index is missing"),
        ("variables/variables.index", "variables/variables.data-00000-of-00002 is missing"),
        ("variables/variables.data-00000-of-00002", "its files are still changing"),
        ("manifest.json", "manifest.json is incomplete"),
    ):
        write(tmp_path / "1", name)
        assert watch.look(settings).waiting == {1: missing}


def test_the_version_before_is_wanted_while_the_next_is_copied(settings, tmp_path):
    watch = StorageWatch(POLL_SECONDS)
    write_saved_model(tmp_path / "2")
    write_saved_model(tmp_path / "1")
    write_manifest(tmp_path / "1", saved_model_pb=1)
    found = watch.look(settings)
    assert (found.wanted.keys(), found.waiting.keys(), found.is_gone) == ({1}, {2}, False)


def test_a_version_that_failed_is_repaired_when_its_files_have_changed_and_are_complete(settings, tmp_path):
    watch = StorageWatch(POLL_SECONDS)
    write(tmp_path / "1", "saved_model.pb")
    failed = {1: fingerprint(str(tmp_path / "1"))}
    assert watch.look(settings, {1}, failed).repaired == frozenset()
    write_manifest(tmp_path / "1", saved_model_pb=2)
    found = watch.look(settings, {1}, failed)
    assert (found.repaired, found.waiting[1]) == (frozenset(), "saved_model.pb has 1 bytes, manifest.json lists 2")
    write(tmp_path / "1", "saved_model.pb", b"xx")
    assert watch.look(settings, {1}, failed).repaired == {1}


def test_a_base_path_without_any_version_is_gone_and_one_without_the_asked_for_is_not(settings, tmp_path):
    watch = StorageWatch(POLL_SECONDS)
    assert watch.look(settings).is_gone
    write_manifest(tmp_path / "1")
    asked = ModelSettings("m", str(tmp_path), VersionPolicy(specific=frozenset({9})))
    assert (watch.look(asked).wanted, watch.look(asked).is_gone) == ({}, False)


def test_remote_paths_are_listed_through_tensorflow(tmp_path):
    """`file://` is one of TensorFlow's file systems, as gs:// is."""
    settings = ModelSettings("m", f"file://{tmp_path}")
    watch = StorageWatch(POLL_SECONDS)
    write(tmp_path / "1", "saved_model.pb")
    found = watch.look(settings)
    assert found.wanted == {1: f"file://{tmp_path}/1"}
    failed = {1: fingerprint(found.wanted[1])}
    assert len(failed[1]) == 1
    assert watch.look(settings, {1}, failed).repaired == frozenset()
    write(tmp_path / "1", "saved_model.pb", b"xx")
    assert watch.look(settings, {1}, failed).repaired == {1}
