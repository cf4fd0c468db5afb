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
    assert "promote 1: stable 1; traffic: version 1 100 %; by " in last


def test_history_of_an_older_file_is_read(place, released):
    path = place.root / released / "release.json"
    content = json.loads(path.read_text())
    for event in content["history"]:
        del event["traffic"], event["actor"]
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


def test_show_has_requests_errors_and_latency_per_version_of_both_protocols(place, released):
    """Of all the time since Envoy was started, since nobody keeps the minutes of this one."""
    from hilir.serving.client import GrpcClient, PredictionFailed
    from tests.integration.serving.server_process import wait_until

    place.release("canary", 2, "--percent", 0, model=released)
    with GrpcClient(place.settings.listen) as client:
        for _ in range(3):
            place.answering(released)
            client.predict(released, {"x": [[2.0]]})
        with pytest.raises(PredictionFailed):
            client.predict(released, {"wrong": [[2.0]]}, version=2)

    def figures() -> dict:
        return json.loads(place.release("show", "--json", model=released).text)["figures"]

    wait_until(lambda: figures()["versions"].get("2", {}).get("p99_ms"), what="the counters")
    found = figures()
    assert found["seconds"] is None
    assert (found["versions"]["1"]["requests"], found["versions"]["1"]["errors"]) == (6, 0)
    assert (found["versions"]["2"]["requests"], found["versions"]["2"]["errors"]) == (1, 1)
    assert 0 < found["versions"]["1"]["p50_ms"] <= found["versions"]["1"]["p99_ms"] < 60_000
    text = place.release("show", model=released).text
    assert "requests since the gateway was started:\n  version 1 stable: 6, 0 errors (0.00%), median " in text
    assert "  version 2 candidate: 1, 1 errors (100.00%), median " in text


def test_commands_with_a_configuration_follow_its_approval_and_notify(place, model, tmp_path, monkeypatch):
    config = tmp_path / "a project.yaml"
    told = tmp_path / "told"
    config.write_text(
        f"model: {{name: {model}}}\nrelease: {{approval: required}}\n"
        f"notify: [{{command: [tee, -a, '{told}'], events: [approve, promote]}}, {{command: [/nowhere]}}]\n"
    )
    monkeypatch.setenv("HILIR_ACTOR", "ann@desk")
    text = place.release("stage", 1, "--config", config, model=model).text
    assert "command /nowhere: the notification of stage was not delivered: cannot be run" in text
    refused = place.release("promote", model=model, code=5).text
    assert "version 1 needs the approval of somebody who did not stage it" in refused
    assert (
        "ann@desk staged version 1 and cannot approve it too" in place.release("approve", 1, model=model, code=5).text
    )
    monkeypatch.setenv("HILIR_ACTOR", "bob@desk")
    approved = place.release("approve", 1, "--config", config, model=model).text
    assert f"{model}: version 1 is approved by bob@desk" in approved
    place.release("promote", "--config", config, model=model)
    assert told.read_text().count('"event": "') == 2
    assert f"{model}: promote 1: stable 1; traffic: version 1 100 %; by bob@desk" in told.read_text()
    assert "approval: required" in place.release("show", model=model).text
