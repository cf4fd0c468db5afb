"""The rules of the queue, as a table."""

import dataclasses

import pytest

from hilir.pipeline.triggers.daemon.firing_policy import (
    DAY,
    Ended,
    Limits,
    Waiting,
    backoff_ends,
    find_gate,
    find_outcome,
    is_final,
    place,
)

LIMITS = Limits("merge", 10, 3, 60, 2, 600, 4)
FRESH, RETRY = Waiting(5, made=100, due=110, attempts=0), Waiting(5, made=0, due=10, attempts=2)


def limits(**changes):
    return dataclasses.replace(LIMITS, **changes)


@pytest.mark.parametrize(
    ("queue", "now", "waiting", "active", "expected"),
    [
        ("merge", 100, [], None, (None, 110, False)),
        ("merge", 100, [], 4, (None, 110, False)),
        ("merge", 105, [FRESH], 4, (5, 115, False)),
        # Reasons that keep coming put it off ten times as long at most.
        ("merge", 195, [FRESH], None, (5, 200, False)),
        ("merge", 400, [RETRY], None, (5, 10, False)),
        ("each", 105, [FRESH], None, (5, 115, False)),
        ("each", 111, [FRESH], None, (None, 121, False)),
        ("each", 5, [RETRY], None, (None, 15, False)),
        ("skip", 100, [], 4, (None, 100, True)),
        ("skip", 105, [FRESH], None, (5, 115, False)),
        ("each", 1000, [FRESH] * 100, None, (None, 1000, True)),
    ],
)
def test_where_a_firing_goes(queue, now, waiting, active, expected):
    placement = place(now, waiting, active, limits(queue=queue))
    assert (placement.run, placement.due, placement.skip) == expected


def gate(now, run=FRESH, starts=(), ended=(), holds=()):
    found = find_gate(now, run, starts, ended, holds, LIMITS)
    return None if found is None else (found.until, found.reason)


def test_a_run_begins_when_nothing_is_in_its_way():
    assert gate(110) is None
    assert gate(110, starts=[50, 60], ended=[Ended("succeeded", 70), Ended("failed", 60)]) is None


def test_what_keeps_a_run_waiting():
    assert gate(109)[0] == 110
    assert gate(200, holds=["span 9 is not complete"]) == (None, "span 9 is not complete")
    until, reason = gate(200, starts=[20, 50, 60])
    assert (until, reason) == (20 + DAY, "3 runs started in the last 24 hours, and watch.runs_a_day is 3")
    assert gate(200, starts=[10, 20, 50, 60])[0] == 20 + DAY
    assert gate(159, ended=[Ended("failed", 100)]) == (160, "1 failed in a row (watch.backoff)")
    assert gate(160, ended=[Ended("failed", 100)]) is None


def test_a_clock_that_was_set_back_keeps_no_run_waiting():
    later = DAY * 3
    run = Waiting(5, made=100 + later, due=110 + later, attempts=0)
    assert gate(100, run) is None
    assert gate(100, run, starts=[later] * 9, ended=[Ended("failed", later)]) is None
    # A clock that is only adjusted changes nothing.
    assert gate(99, FRESH)[0] == 110


@pytest.mark.parametrize(
    ("states", "wait"),
    [
        ([], None),
        (["succeeded", "failed"], None),
        (["failed"], 60),
        (["failed", "failed"], 120),
        (["failed", "failed", "succeeded", "failed"], 120),
        (["failed"] * 10, 600),
        (["failed"] * 100, 600),
        # Killed once: at once again. Killed again and again: not.
        (["lost"], None),
        (["lost", "lost"], 120),
        (["lost", "failed"], 120),
    ],
)
def test_backoff(states, wait):
    ends = backoff_ends([Ended(state, 1000) for state in states], LIMITS)
    assert ends == (0 if wait is None else 1000 + wait)


def test_what_is_not_tried_again():
    assert is_final(4, 3, LIMITS) is None
    assert is_final(None, 3, LIMITS) is None
    assert "tried 4 times" in is_final(4, 4, LIMITS)
    assert "exit code 3" in is_final(3, 1, LIMITS)


@pytest.mark.parametrize(
    ("code", "outcome"), [(None, "lost"), (0, "succeeded"), (6, "succeeded"), (3, "failed"), (4, "failed")]
)
def test_a_model_that_is_not_blessed_is_an_answer(code, outcome):
    assert find_outcome(code) == outcome
