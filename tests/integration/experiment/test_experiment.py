"""From start to decision: a real server, a real Envoy, users, outcomes, and what the report makes of them."""

import json
import time

import pytest

from hilir.serving.outcomes.backends import open_store
from hilir.serving.releases.split import choose_label, hash_key
from tests.integration.experiment.traffic import experiment, send_users

METRICS = ("--metric", "proportion:bought", "--guardrail", "ratio:errors/requests:margin=0.05", "--planned", 600)
QUICK = ("--window", "1s", "--least-days", 0)


def read_report(place, model, outcomes, *words, users):
    """The report as JSON, once the log has the users and their windows are closed."""
    deadline = time.monotonic() + 60
    while True:
        text = experiment(place, "report", "--json", "--outcomes", outcomes, *words, model=model)
        found = json.loads(text)
        if sum(found["counted"].values()) >= users:
            return found
        assert time.monotonic() < deadline, found["users"]
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("rates", "status"),
    [
        ({"stable": 0.1, "candidate": 0.35}, "better"),
        ({"stable": 0.35, "candidate": 0.1}, "worse"),
        ({"stable": 0.2, "candidate": 0.2}, "undecided"),
    ],
)
def test_the_report_gives_the_right_decision(place, model, outcomes, tmp_path, rates, status):
    experiment(place, "start", "colour", "--candidate", 2, *METRICS, *QUICK, model=model)
    # Before the users: where the log has those, it has these.
    for _ in range(20):
        place.ask(model)  # without a key
        place.ask(model, path="/labels/candidate", X_User_Key="by-label")  # chosen by the caller
    send_users(place, model, range(400), rates)
    found = read_report(place, model, outcomes, users=400)
    assert found["conclusion"]["status"] == status, found["conclusion"]
    assert sum(found["users"].values()) == 400
    assert found["mismatch_p"] > 0.001
    assert sum(found["coverage"]["keyless"]) == 20
    assert found["coverage"]["with_outcome"] == 400
    bought = found["metrics"][0]
    assert abs(bought["candidate"] - rates["candidate"]) < 0.12
    page = tmp_path / "report.html"
    text = experiment(place, "report", "--outcomes", outcomes, "--html", page, model=model)
    assert found["conclusion"]["words"] in text
    assert page.read_text().count("<svg") == 1  # of the errors, of which there were none, nothing can be drawn
    if status == "undecided":
        assert "not decided yet: needs about" in text


def test_arms_are_those_of_the_arithmetic_and_the_log_has_no_key(place, model):
    experiment(place, "start", "colour", "--candidate", 2, "--percent", 30, *METRICS, *QUICK, model=model)
    (entry,) = place.state(model)["experiments"]
    for number in range(30):
        key = f"user-{number}"
        place.ask(model, X_User_Key=key, X_Request_Id=f"{model}-{number}")
    for line in place.wait_for_log(30, model=model, experiment=entry["id"]):
        key = f"user-{line['request_id'].rpartition('-')[2]}"
        assert line["experiment_user"] == f"{hash_key(entry['id'], key):08x}"
        assert line["user"] == f"{hash_key(f'{model}-2', key):08x}"
        assert line["label"] == choose_label(entry["id"], key, 30)


def test_shares_are_frozen_until_it_ends(place, model):
    words = ("colour", "--candidate", 2, *METRICS)
    place.release("canary", 3, "--percent", 10, model=model)
    text = experiment(place, "start", *words, model=model, code=5)
    assert "version 3 is on trial with 10 % of the traffic" in text
    place.release("abort", model=model)
    text = experiment(place, "start", *words, model=model)
    assert "traffic: version 1 50 %, version 2 50 %" in text
    experiment(place, "start", *words, model=model)
    for verb in (("canary", 2, "--percent", 60), ("promote",)):
        assert "the experiment colour is running" in place.release(*verb, model=model, code=5).text
    text = experiment(place, "start", "size", "--candidate", 3, *METRICS, model=model, code=5)
    assert "the experiment colour is running" in text
    assert "colour: running, since" in experiment(place, "status", model=model)
    experiment(place, "stop", "--why", "enough", model=model)
    experiment(place, "stop", model=model)
    assert "colour: ended by stop" in experiment(place, "status", model=model)
    events = [(event["verb"], event["why"]) for event in place.state(model)["history"]][-2:]
    assert events == [("experiment-start", "colour"), ("experiment-stop", "colour: enough")]
    assert {place.answering(model) for _ in range(20)} == {1}
    place.release("promote", model=model)
    assert place.answering(model) == 2


@pytest.mark.parametrize("verb", ["abort", "rollback"])
def test_abort_and_rollback_end_it(place, model, verb):
    place.release("canary", 2, "--percent", 10, model=model)
    place.release("promote", model=model)
    experiment(place, "start", "colour", "--candidate", 3, *METRICS, model=model)
    place.release(verb, model=model)
    assert f"colour: ended by {verb}" in experiment(place, "status", model=model)
    assert place.answering(model) == (2 if verb == "abort" else 1)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("colour", "--candidate", 1, *METRICS), 5, "version 1 is stable already; choose another candidate"),
        (("colour", "--candidate", 9, *METRICS), 5, "there is no such version; there are: 1, 2, 3"),
        (("a b", "--candidate", 2, *METRICS), 3, "name: String should match pattern"),
        (("colour", "--candidate", 2, "--metric", "bought", "--planned", 5), 3, "'bought' is not a metric; write KIND"),
        (("colour", "--candidate", 2, *METRICS, "--percent", 100), 3, "percent: Input should be less than 100"),
        (("colour", "--candidate", 2, *METRICS, "--percent", 33.333), 3, "at most two decimals"),
        (("colour", "--candidate", 2, *METRICS, "--window", "1 day"), 2, "'1 day' is not a time like 30m, 24h or 7d"),
    ],
)
def test_what_cannot_be_started_changes_nothing(place, model, words, code, message):
    before = place.state(model)
    assert message in experiment(place, "start", *words, model=model, code=code)
    assert place.state(model) == before


def test_a_report_without_its_sources_names_what_is_missing(place, model, tmp_path):
    assert "no experiment has been started" in experiment(place, "report", model=model, code=3)
    experiment(place, "start", "colour", "--candidate", 2, *METRICS, model=model)
    text = experiment(place, "report", "size", model=model, code=3)
    assert "there is no experiment size; there are: colour" in text
    outcomes = ("--outcomes", tmp_path / "outcomes.sqlite")
    assert "outcomes.sqlite: there are no outcomes" in experiment(place, "report", *outcomes, model=model, code=3)
    assert list(tmp_path.iterdir()) == []
    open_store(str(tmp_path / "outcomes.sqlite")).close()
    text = experiment(place, "report", *outcomes, "--access-log", tmp_path / "none", model=model, code=3)
    assert "there is no such access log" in text
    text = experiment(place, "report", *outcomes, model=model)
    assert "not decided yet: needs about 600 more users" in text
