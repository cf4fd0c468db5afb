"""Storage that is not as it should be: bad entries, copies that are under way, mounts that are lost."""

import json
import os
import shutil

import pytest

from tests.integration.serving.server.versions import message, predicts, publish, states
from tests.integration.serving.server_process import running, wait_until


def logged(caplog, text):
    return [record.getMessage() for record in caplog.records if text in record.getMessage()]


def write_manifest(folder, **sizes):
    files = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size} for path in folder.rglob("*") if path.is_file()
    }
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


def test_a_bad_entry_hides_itself_only_and_is_named_once(models, base, caplog):
    (base / "20").symlink_to(base / "20")
    (base / "21").symlink_to("x" * 300)
    (base / "22").symlink_to(base / "nowhere")
    (base / "23").write_text("a file")
    (base / "tmp-2").mkdir()
    (base / "notes.txt").write_text("x")
    with running(model_base_path=str(base)) as client:
        assert states(client) == {1: "AVAILABLE"}
        for version in (2, 3):
            publish(models, base, version)
            wait_until(lambda version=version: states(client).get(version) == "AVAILABLE")
    for name, reason in (
        ("20", "Too many levels of symbolic links"),
        ("21", "File name too long"),
        ("22", "No such file or directory"),
        ("23", "not a folder"),
    ):
        assert logged(caplog, f"{base}/{name} ") == [f"{base}/{name} is not served as a version: {reason}"]
    assert not logged(caplog, "notes.txt")


def test_a_bad_entry_of_the_root_hides_no_model(models, tmp_path, caplog):
    root = tmp_path / "root"
    shutil.copytree(models / "half_plus_two", root / "half_plus_two")
    (root / "loop").symlink_to(root / "loop")
    with running(root=str(root)) as client:
        shutil.copytree(models / "half_plus_three", root / "half_plus_three")
        wait_until(lambda: predicts(client, "half_plus_three").status_code == 200)
        assert predicts(client, "half_plus_two").status_code == 200
    assert logged(caplog, "loop") == [f"{root / 'loop'} is left out: Too many levels of symbolic links"]


def test_a_version_that_is_being_copied_says_what_is_missing_and_loads_when_it_is_complete(models, base):
    source = models / "half_plus_three" / "00000123"
    with running(model_base_path=str(base)) as client:
        copy = base / "2"
        (copy / "variables").mkdir(parents=True)
        shutil.copy(source / "variables" / "variables.index", copy / "variables")
        wait_until(lambda: "saved_model.pb is missing" in message(client, 2))
        assert states(client) == {1: "AVAILABLE", 2: "START"}
        # The copy stands still for so long that the version is tried, fails, and waits a minute for its next try.
        wait_until(lambda: "Could not find SavedModel .pb" in message(client, 2))
        assert states(client) == {1: "AVAILABLE", 2: "LOADING"}
        shutil.copy(source / "variables" / "variables.data-00000-of-00001", copy / "variables")
        shutil.copy(source / "saved_model.pb", copy)
        wait_until(lambda: states(client).get(2) == "AVAILABLE")
        assert predicts(client).json() == {"predictions": [4.0]}


def test_a_version_that_its_manifest_contradicts_is_never_loaded(models, base):
    source = models / "half_plus_three" / "00000123"
    staged = base.parent / "staged"
    shutil.copytree(source, staged)
    (staged / "assets").mkdir()
    (staged / "assets" / "words.txt").write_text("one\ntwo\n")
    write_manifest(staged)
    (staged / "assets" / "words.txt").write_text("one\n")
    with running(model_base_path=str(base)) as client:
        staged.rename(base / "2")
        wait_until(lambda: states(client).get(2) == "LOADING")
        wait_until(lambda: "assets/words.txt has 4 bytes, manifest.json lists 8" in message(client, 2))
        assert predicts(client).headers["X-Model-Version"] == "1"
        (base / "2" / "assets" / "words.txt").write_text("one\ntwo\n")
        wait_until(lambda: states(client).get(2) == "AVAILABLE")
        assert message(client, 2) == ""


def test_a_copy_that_is_given_up_is_forgotten(models, base):
    with running(model_base_path=str(base)) as client:
        (base / "2").mkdir()
        (base / "2" / "saved_model.pb.part").write_text("x")
        wait_until(lambda: "saved_model.pb is missing" in message(client, 2))
        shutil.rmtree(base / "2")
        wait_until(lambda: states(client) == {1: "AVAILABLE"})


@pytest.mark.parametrize("emptied", [False, True], ids=["gone", "empty"])
def test_a_base_path_that_is_lost_ends_nothing_and_is_logged_once(models, base, caplog, emptied):
    away = base.with_name("away")
    with running(model_base_path=str(base)) as client:
        base.rename(away)
        if emptied:
            base.mkdir()
        wait_until(lambda: logged(caplog, "continue to be served"))
        assert predicts(client).status_code == 200
        assert client.get("/readyz").status_code == 200
        if emptied:
            base.rmdir()
        away.rename(base)
        publish(models, base, 2)
        wait_until(lambda: states(client).get(2) == "AVAILABLE")
    lines = logged(caplog, "continue to be served")
    assert len(lines) == len(set(lines)) <= 2
    assert all(str(base) in line for line in lines)


def test_a_serving_root_that_is_lost_ends_nothing(models, tmp_path, caplog):
    root, away = tmp_path / "root", tmp_path / "away"
    for model in ("half_plus_two", "half_plus_three"):
        shutil.copytree(models / model, root / model)
    labels = 'version_labels { key: "stable" value: 123 }'
    entry = f'name: "half_plus_two" base_path: "{root}/half_plus_two" model_platform: "tensorflow" {labels}'
    (root / "models.config").write_text(f"model_config_list {{ config {{ {entry} }} }}")
    with running(root=str(root)) as client:
        wait_until(lambda: predicts(client, "half_plus_two/labels/stable").status_code == 200)
        root.rename(away)
        root.mkdir()
        wait_until(lambda: logged(caplog, "models.config is gone"))
        wait_until(lambda: len(logged(caplog, "continue to be served")) == 2)
        assert predicts(client, "half_plus_two/labels/stable").status_code == 200
        assert predicts(client, "half_plus_three").status_code == 200
        assert client.get("/readyz").status_code == 200
        root.rmdir()
        away.rename(root)
        publish(models, root / "half_plus_three", 200)
        wait_until(lambda: states(client, "half_plus_three").get(200) == "AVAILABLE")
        assert predicts(client, "half_plus_two/labels/stable").status_code == 200
    assert len(logged(caplog, "models.config is gone")) == 1


def test_a_version_that_is_removed_while_another_is_left_is_unloaded(models, base):
    publish(models, base, 2, "half_plus_three")
    with running(model_base_path=str(base)) as client:
        assert predicts(client).json() == {"predictions": [4.0]}
        shutil.rmtree(base / "2")
        wait_until(lambda: states(client) == {1: "AVAILABLE", 2: "END"})
        assert predicts(client).json() == {"predictions": [3.0]}


def test_a_server_that_serves_nothing_is_not_ready(models, base):
    from tests.integration.serving.server.test_versions import config_list, reload

    with running(model_base_path=str(base)) as client:
        assert client.get("/readyz").status_code == 200
        reload(client, config_list())
        wait_until(lambda: states(client) == {1: "END"})
        assert client.get("/readyz").status_code == 503


def test_a_broken_configuration_is_logged_once_and_again_when_it_changes(models, base, tmp_path, caplog):
    file = tmp_path / "models.config"
    good = f'model_config_list {{ config {{ name: "m" base_path: "{base}" model_platform: "tensorflow" }} }}'
    file.write_text(good)
    with running(model_config_file=str(file), model_config_file_poll_wait_seconds=1) as client:
        polls = []
        client.server.source.read_if_changed = count(client.server.source.read_if_changed, polls)
        for number, text in enumerate(("nonsense {", "other nonsense {"), start=1):
            os.replace(write(tmp_path / "new", text), file)
            wait_until(lambda number=number: len(logged(caplog, "can't be applied")) == number)
            seen = len(polls)
            wait_until(lambda seen=seen: len(polls) >= seen + 3)
            assert len(logged(caplog, "can't be applied")) == number
        os.replace(write(tmp_path / "new", good), file)
        seen = len(polls)
        wait_until(lambda: len(polls) >= seen + 2)
        assert len(logged(caplog, "can't be applied")) == 2
        assert predicts(client, "m").status_code == 200


def write(path, text):
    path.write_text(text)
    return path


def count(function, calls):
    def counted(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return counted
