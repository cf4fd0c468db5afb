"""Rollouts that look at what the versions answer: copied requests, drift, and guardrails, from the servers' own log."""

import itertools

import pytest

from tests.integration.release.both_protocols import sending
from tests.integration.release.place import place_running
from tests.integration.release.versions import make_version

_numbers = itertools.count()
PLAN = ["--steps", "50,100", "--hold", "1s", "--every", "0.2s", "--min-requests", 30]


@pytest.fixture(scope="module")
def logging_place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logging")
    with place_running(folder, flags=(f"--request-log={folder / 'log'}", "--request-log-rate=0.8")) as found:
        found.log = str(folder / "log")
        yield found


@pytest.fixture
def model(logging_place) -> str:
    """Version 1 is stable, 2 answers nearly the same, 3 something else."""
    name = f"answers-{next(_numbers)}"
    for number, adds in ((1, 1.0), (2, 1.001), (3, 4.0)):
        make_version(logging_place.root, number, model=name, adds=adds)
    logging_place.release("stage", 1, model=name)
    logging_place.release("promote", model=name)
    return name


def roll_out(place, model: str, version: int, *words, code: int):
    with sending(place.url, place.settings.listen, model, 150) as answers:
        text = place.release("rollout", version, *PLAN, "--request-log", place.log, *words, model=model, code=code).text
    assert {answer["status"] for answer in answers} == {"ok"}
    return text, answers


def test_copies_decide_before_the_first_user(logging_place, model):
    text, answers = roll_out(logging_place, model, 3, "--shadow", 100, "--drift", "off", code=5)
    assert "step 1 of 3: version 3 gets a copy of 100 % of stable's requests" in text
    assert "rolled back: version 3 has no traffic; at 0 %: shadow: " in text
    assert "y differs by +3 on average" in text
    assert {answer["version"] for answer in answers} == {"1"}, "no user got it"


def test_a_version_that_answers_alike_passes_copies_and_drift(logging_place, model):
    text, _ = roll_out(logging_place, model, 2, "--shadow", 100, code=0)
    assert "shadow: 0 of " in text
    assert "drift: none in y" in text
    assert "done: version 2 is stable" in text


def test_drift_of_the_predictions_rolls_back(logging_place, model):
    text, _ = roll_out(logging_place, model, 3, code=5)
    assert "at 50 %: drift: alarm in y, Jensen-Shannon divergence" in text


def test_a_guardrail_of_the_users_own_rolls_back(logging_place, model, tmp_path):
    script = tmp_path / "check orders.sh"
    script.write_text(f"#!/bin/sh\ncat > '{tmp_path}/told'\necho 'orders fell by 8 %'\nexit 1\n")
    script.chmod(0o755)
    text, _ = roll_out(logging_place, model, 2, "--drift", "off", "--guardrail", f"'{script}'", code=5)
    assert "exit code 1: orders fell by 8 %" in text
    assert '"candidate": 2, "percent": 50.0' in (tmp_path / "told").read_text()
