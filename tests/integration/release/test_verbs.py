"""The release verbs on a real model server behind a real Envoy."""

import json
import shutil

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tests.integration.release.versions import make_version, write_golden, write_manifest
from tests.integration.serving.server_process import wait_until


def test_from_the_first_version_to_the_second_and_back(place, model):
    """The whole life of a release, asked through the gateway after each step; each verb twice."""
    for _ in range(2):
        assert "candidate 1" in place.release("stage", 1, model=model).text
    for _ in range(2):
        place.release("promote", model=model)
    assert place.answering(model) == 1
    for _ in range(2):
        place.release("canary", 2, "--percent", 30, "--why", "new data", model=model)
    answers = {place.answering(model, X_User_Key=f"user-{number}") for number in range(30)}
    assert answers == {1, 2}
    assert place.answering(model, "/labels/candidate") == 2
    assert place.answering(model, X_Model_Label="candidate") == 2
    for _ in range(2):
        place.release("promote", model=model)
    assert {place.answering(model) for _ in range(5)} == {2}
    assert place.state(model)["labels"] == {"stable": 2}
    for _ in range(2):
        place.release("rollback", "--why", "too many complaints", model=model)
    assert place.answering(model) == 1
    assert [entry["verb"] for entry in place.state(model)["history"]][-3:] == ["canary", "promote", "rollback"]
    assert "too many complaints" in place.release("history", model=model).text
    place.release("rollback", "--to", 2, model=model)
    assert place.answering(model) == 2
    for _ in range(2):
        place.release("retire", model=model)
    assert place.ask(model, "/versions/1").status_code == 404
    assert place.answering(model) == 2
    listed = place.release("list", model=model).text
    assert "1  retired" in listed
    assert "2  stable" in listed


def test_abort_ends_a_trial_and_leaves_the_version_loaded(place, released):
    place.release("canary", 2, "--percent", 100, model=released)
    assert place.answering(released) == 2
    for _ in range(2):
        place.release("abort", model=released)
    assert place.answering(released) == 1
    assert place.answering(released, "/labels/candidate") == 1
    assert place.answering(released, "/versions/2") == 2


def test_a_dry_run_checks_and_changes_nothing(place, released):
    before = {path: path.read_bytes() for path in place.root.rglob("*") if path.is_file()}
    for words in (["canary", 2, "--percent", 5], ["stage", 3], ["rollback", "--to", 2], ["retire"], ["abort"]):
        text = place.release(*words, "--dry-run", model=released).text
        assert "nothing was changed" in text, words
    assert "no such version" in place.release("stage", 9, "--dry-run", model=released, code=5).text
    assert {path: path.read_bytes() for path in place.root.rglob("*") if path.is_file()} == before
    place.release("stage", 2, model=released)
    assert "stable 2" in place.release("promote", "--dry-run", model=released).text
    assert place.state(released)["labels"] == {"stable": 1, "candidate": 2}


def test_what_is_unsafe_is_refused_and_nothing_changes(place, released):
    folder = place.root / released
    shutil.copytree(folder / "2", folder / "4")
    (folder / "4" / "variables/variables.index").write_bytes(b"damaged")
    make_version(place.root, 5, model=released, blessed=False)
    signatures = {"serving_default": {"inputs": {"z": {"dtype": "string", "shape": [-1]}}, "outputs": {}}}
    make_version(place.root, 6, model=released, signatures=signatures)
    make_version(place.root, 7, model=released)
    (folder / "7" / "manifest.json").unlink()
    before = (folder / "release.json").read_text()
    for version, reason in (
        (9, "no such version; there are: 1, 2, 3"),
        (5, "not blessed"),
        (6, "takes other inputs than stable version 1"),
        (7, "manifest.json: it is missing"),
    ):
        assert reason in place.release("stage", version, model=released, code=5).text
        assert reason in place.release("canary", version, "--percent", 5, model=released, code=5).text
    write_manifest_of_copy(folder / "4", released)
    assert "differs from the manifest" in place.release("stage", 4, model=released, code=5).text
    assert "sum to 100" in place.release("canary", 2, "--percent", 101, model=released, code=5).text
    assert (folder / "release.json").read_text() == before
    assert "candidate 6" in place.release("stage", 6, "--accept-schema-change", model=released).text
    place.release("stage", 6, model=released)  # accepted once is accepted


def write_manifest_of_copy(folder, model):
    content = json.loads((folder / "manifest.json").read_text()) | {"version": 4}
    (folder / "manifest.json").write_text(json.dumps(content))


def test_a_version_that_answers_otherwise_gets_no_traffic_and_is_unloaded(place, released):
    make_version(place.root, 4, model=released, golden_offset=40.0)
    text = place.release("canary", 4, "--percent", 5, model=released, code=5).text
    assert "golden request 1" in text
    assert "y[0][0] was 40.0 and is 4.0" in text
    assert place.state(released)["labels"] == {"stable": 1}
    wait_until(lambda: place.ask(released, "/versions/4").status_code == 404, what="version 4 unloaded")
    folder = place.root / released / "4"
    write_golden(folder, [(0.0, 4.0)])
    write_manifest(folder, released, 4)
    place.release("canary", 4, "--percent", 5, model=released)


def test_a_version_that_does_not_load_is_refused_in_time_and_leaves_what_serves(place, released):
    folder = make_version(place.root, 4, model=released)
    (folder / "saved_model.pb").write_bytes(b"not a model")
    write_manifest(folder, released, 4)
    text = place.release("stage", 4, "--timeout", 3, model=released, code=3).text
    assert "version 4 is LOADING" in text
    assert place.state(released)["versions"]["4"]["loaded"] is False
    assert place.answering(released) == 1


def test_servers_that_do_not_answer_stop_a_promotion_but_not_a_rollback(place, released):
    place.release("canary", 2, "--percent", 5, model=released)
    place.release("promote", model=released)
    place.release("stage", 3, model=released)
    elsewhere = ["--server", "http://127.0.0.1:1"]  # beside the real one: one of two replicas is silent
    assert "do not all answer, nothing was changed" in place.release("promote", *elsewhere, model=released, code=3).text
    assert place.answering(released) == 2
    text = place.release("rollback", *elsewhere, model=released).text
    assert "follow when they answer again" in text
    assert place.answering(released) == 1


def test_show_tells_what_is_missing(place, released):
    assert "model servers: in sync\ngateway: in sync" in place.release("show", model=released).text
    path = place.root / released / "release.json"
    state = json.loads(path.read_text())
    path.write_text(
        json.dumps(state | {"labels": {"stable": 1, "candidate": 1}, "split": {"stable": 0, "candidate": 100}})
    )
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"versions": state["versions"] | {"2": state["versions"]["1"]}})
    )
    assert "version 2 is unknown" in place.release("show", model=released, code=3).text
    path.write_text(json.dumps(state))


def test_what_served_before_the_first_release_goes_on_serving(place, model):
    """Until then a model is served at its latest; the first staging must not take that away."""
    from hilir.serving.release.models_config import write_model_config
    from hilir.serving.releases.release_store import Store

    write_model_config(Store(place.root))
    wait_until(lambda: place.ask(model).status_code == 200, what=f"{model} served at its latest")
    assert place.answering(model) == 3
    place.release("stage", 1, model=model)
    assert place.answering(model, "/versions/3") == 3
    assert place.state(model)["versions"].keys() == {"1", "3"}


def test_the_first_release_can_be_written_before_any_server_runs(place, model, tmp_path):
    from click.testing import CliRunner

    from hilir.serving.cli.release import release

    shutil.copytree(place.root / model, tmp_path / model)
    for words in (["stage", "1", "--served-root", "/models"], ["promote"]):
        result = CliRunner().invoke(release, [*words, "--offline", "--root", str(tmp_path)])
        assert result.exit_code == 0, result.output + str(result.exception)
    text = (tmp_path / "models.config").read_text()
    (entry,) = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert (entry.version_labels["stable"], entry.base_path) == (1, f"/models/{model}")
    result = CliRunner().invoke(release, ["stage", "2", "--offline", "--root", str(tmp_path)])
    assert "leave out --offline" in str(result.exception)


@pytest.mark.parametrize("words", [["canary", "2"], ["stage"], ["stage", "0"], ["stage", "two"]])
def test_a_wrong_command_line_is_exit_code_2(place, model, words):
    place.release(*words, model=model, code=2)
