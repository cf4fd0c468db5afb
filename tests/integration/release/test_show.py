"""What `hilir release show` and `history` report, and which model a command means."""

import json

import pytest
from click.testing import CliRunner

from hilir.serving.cli.release import release
from tests.integration.release.versions import make_version
from tests.integration.serving.server_process import ROOT


@pytest.mark.parametrize("silent", [["--server", "http://127.0.0.1:1"], ["--gateway", "127.0.0.1:1"]])
def test_show_fails_while_something_does_not_answer(place, released, silent):
    text = place.release("show", *silent, model=released, code=3).text
    assert "does not answer" in text
    assert f"{released}: not as released: " in text
    line, *_ = place.release("show", *silent, "--json", model=released, code=3).text.splitlines()
    name = "gateway" if "--gateway" in silent else "model servers"
    (fault,) = json.loads(line)["missing"][name]
    assert "does not answer" in fault


def test_show_as_json_is_the_state_and_nothing_is_missing(place, released):
    shown = json.loads(place.release("show", "--json", model=released).text)
    assert shown["state"] == place.state(released)
    assert shown["traffic"] == {"1": 100.0}
    assert shown["missing"] == {"model servers": [], "gateway": []}


def test_state_history_and_gateway_agree_before_the_first_promotion(place, model):
    place.release("stage", 1, model=model)
    version = place.answering(model)
    share = f"traffic: version {version} 100 %"
    assert share in place.release("show", model=model).text
    assert json.loads(place.release("show", "--json", model=model).text)["traffic"] == {str(version): 100.0}
    *_, last = place.release("history", model=model).text.splitlines()
    assert "stage 1: stable none, candidate 1" in last
    assert share in last
    place.release("promote", model=model)
    assert place.answering(model) == 1
    *_, last = place.release("history", model=model).text.splitlines()
    assert last.endswith("promote 1: stable 1; traffic: version 1 100 %")


def test_history_of_an_older_file_is_read(place, released):
    path = place.root / released / "release.json"
    content = json.loads(path.read_text())
    for event in content["history"]:
        del event["traffic"]
    path.write_text(json.dumps(content))
    lines = place.release("history", model=released).text.splitlines()
    assert lines[-1].endswith("promote 1: stable 1; traffic: version 1 100 %")
    assert lines[0].endswith("traffic: not recorded")


def test_a_configuration_names_the_model_until_one_is_released(tmp_path, monkeypatch):
    for model in ("taxi", "digits"):
        make_version(tmp_path / "out" / "models", 1, model=model)
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    assert "name it with --model NAME or --config FILE" in str(run(release, ["stage", "1", "--offline"]).exception)
    config = str(ROOT / "configs" / "digits.yaml")
    for words in (["stage", "1", "--offline", "--config", config], ["promote", "--offline"], ["history"]):
        result = run(release, words)
        assert result.exit_code == 0, result.output + str(result.exception)
    assert json.loads((tmp_path / "out/models/digits/release.json").read_text())["labels"] == {"stable": 1}
    listed = run(release, ["list"]).output
    assert "digits" in listed
    assert "taxi" in listed
    assert "taxi" not in run(release, ["list", "--config", config]).output
