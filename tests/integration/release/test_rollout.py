"""Rollouts on a real model server behind a real Envoy, under traffic of both protocols."""

import json

import pytest

from tests.integration.release.both_protocols import sending
from tests.integration.release.versions import make_version

QUICK = ["--hold", "1s", "--every", "0.2s", "--min-requests", 20]


def traffic(place, model, rate: int = 60):
    return sending(place.url, place.settings.listen, model, rate)


def story(place, model: str) -> list[tuple[str, int | None, float]]:
    """What the history tells, times and reasons aside."""
    return [(event["verb"], event["version"], event["percent"]) for event in place.state(model)["history"]]


def test_a_good_version_gets_all_of_the_traffic_step_by_step(place, released):
    before = len(story(place, released))
    with traffic(place, released) as answers:
        text = place.release("rollout", 2, "--steps", "20,50,100", *QUICK, model=released).text
    assert f"{released}: done: version 2 is stable" in text
    assert "step 1 of 3: version 2 gets 20 % for 1s" in text
    assert story(place, released)[before:] == [
        ("load", 2, 0.0), ("verify", 2, 0.0), ("stage", 2, 0.0),
        ("rollout", 2, 20.0), ("rollout", 2, 50.0), ("rollout", 2, 100.0), ("promote", 2, 0.0),
    ]  # fmt: skip
    assert {answer["status"] for answer in answers} == {"ok"}
    assert {(answer["protocol"], answer["version"]) for answer in answers} >= {("REST", "2"), ("gRPC", "2")}
    assert "e-value" in place.state(released)["history"][-2]["why"]
    assert place.release("rollout", 2, model=released).text.splitlines()[0].endswith("version 2 is stable already")


def test_a_version_that_fails_is_rolled_back_by_itself_and_not_tried_again(place, released):
    make_version(place.root, 4, model=released, fails_at=2.0)
    with traffic(place, released, 100) as answers:
        text = place.release(
            "rollout", 4, "--steps", "30,100", "--hold", "60s", "--every", "0.2s", model=released, code=5
        ).text
    assert "rolled back: version 4 has no traffic; at 30 %: errors: " in text
    assert place.state(released)["labels"] == {"stable": 1}
    assert place.state(released)["rollout"] is None
    assert story(place, released)[-2:] == [("rollout", 4, 30.0), ("rollout-stop", 4, 0.0)]
    wrong = [answer for answer in answers if answer["status"] != "ok"]
    assert {answer["version"] for answer in wrong} == {"4"}, "only the injected errors"
    assert {answer["status"] for answer in wrong} == {"400", "INVALID_ARGUMENT"}, "both protocols count"
    again = place.release("rollout", 4, model=released, code=5).text
    assert "was rolled back at" in again
    assert "--retry" in again


def test_what_would_change_the_release_is_refused_during_a_rollout_and_abort_ends_it(place, released):
    """Without traffic it waits, whatever time passes."""
    import threading

    results = []
    words = ["rollout", 2, "--steps", "50,100", "--hold", "0s", "--every", "0.1s"]
    runner = threading.Thread(target=lambda: results.append(place.release(*words, model=released, code=None)))
    runner.start()
    from tests.integration.serving.server_process import wait_until

    wait_until(lambda: place.state(released).get("rollout"), what="the rollout")
    for verb in (["canary", 3, "--percent", 5], ["promote"], ["stage", 3]):
        assert "version 2 is rolled out at the moment and has 50 %" in place.release(*verb, model=released, code=5).text
    assert "another process carries out" in place.release("rollout", 2, model=released, code=5).text
    place.release("abort", "--why", "changed my mind", model=released)
    runner.join(20)
    assert (results[0].code, "was ended by 'abort' by" in results[0].text) == (5, True), results[0].text
    assert place.state(released)["labels"] == {"stable": 1}


def test_the_plan_prints_what_each_gate_can_find_and_changes_nothing(place, released):
    before = (place.root / released / "release.json").read_bytes()
    words = ["--dry-run", "--requests-per-second", 10, "--error-rate", 0.01]
    lines = place.release("rollout", 2, *words, model=released).text.splitlines()
    marked = [line.split()[0] for line in lines if "(!) finds disasters only" in line]
    assert marked == ["1"]
    assert any(line.strip().startswith("50 %") and "errors from" in line for line in lines)
    assert "there is no such version" in place.release("rollout", 9, *words, model=released, code=5).text
    assert (place.root / released / "release.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--steps", "5,1"], "ascending percentages"),
        (["--steps", "0,nan"], "ascending percentages"),
        (["--hold", "soon"], "--hold soon: write a duration"),
        (["--shadow", "10"], "--shadow needs the servers' request log"),
        (["--request-log", "/nowhere/log"], "there is no folder /nowhere"),
        (["--max-latency-ratio", "0.5"], "--max-latency-ratio: input should be greater than 1"),
        (["--guardrail", "'"], "No closing quotation"),
    ],
)
def test_a_wrong_plan_is_refused_before_anything_happens(place, released, words, fault):
    before = (place.root / released / "release.json").read_bytes()
    assert fault in place.release("rollout", 2, *words, model=released, code=3).text
    assert (place.root / released / "release.json").read_bytes() == before


def test_a_rollout_in_the_state_is_json_that_a_person_can_read(place, released):
    with traffic(place, released):
        place.release("rollout", 2, "--steps", "50", *QUICK, model=released)
    state = place.state(released)
    assert (state["rollout"], state["split"]) == (None, {"stable": 50.0, "candidate": 50.0})
    assert story(place, released)[-1] == ("rollout-end", 2, 50.0)
    assert json.dumps(state)
    place.release("abort", model=released)
