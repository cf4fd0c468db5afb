"""What is typed, and what the plan promises."""

import pytest

from hilir.serving.errors import ServingConfigError
from hilir.serving.releases.rollout_plan import Gates, Rollout
from hilir.serving.rollout.forecast import Traffic, forecast, forecast_lines
from hilir.serving.rollout.plan import describe_duration, parse_duration, parse_steps


def test_steps_and_durations_are_read():
    assert parse_steps("1,5,25,50,100") == (1.0, 5.0, 25.0, 50.0, 100.0)
    assert parse_steps(" 0.01, 33.33") == (0.01, 33.33)
    assert [parse_duration("--hold", text) for text in ("90", "90s", "10m", "2h", "1d", "0.5s")] == [
        90, 90, 600, 7200, 86400, 0.5,
    ]  # fmt: skip
    assert [describe_duration(seconds) for seconds in (0.5, 90, 600, 86400)] == ["0.5s", "90s", "10m", "1d"]


@pytest.mark.parametrize("text", ["", "0,5", "5,5", "5,1", "1,101", "1,x", "nan", "0.001", "1;5"])
def test_steps_that_make_no_sense_are_refused(text):
    with pytest.raises(ServingConfigError, match="ascending percentages above 0"):
        parse_steps(text)


@pytest.mark.parametrize("text", ["", "-1s", "10 m", "ten", "1w"])
def test_durations_that_are_none_are_refused(text):
    with pytest.raises(ServingConfigError, match="write a duration like 90s, 10m"):
        parse_duration("--hold", text)


def rollout(**more) -> Rollout:
    return Rollout(version=2, steps=(1.0, 5.0, 25.0, 50.0, 100.0), hold_seconds=600, **more)


def test_a_step_that_sees_disasters_only_is_marked():
    found = list(forecast(rollout(), Traffic(100.0, 0.002, "x")))
    assert [(step.percent, step.errors, step.is_blind) for step in found] == [
        (1.0, 10.0, True), (5.0, 3.0, False), (25.0, 2.0, False), (50.0, 2.0, False),
    ]  # fmt: skip
    lines = list(forecast_lines(rollout(), Traffic(100.0, 0.002, "x")))
    assert [line.split()[0] for line in lines if "(!)" in line] == ["1"]
    assert "    drift: rolls back at alarm" in lines


def test_with_little_traffic_a_step_takes_longer_than_its_hold():
    step, *_ = forecast(rollout(), Traffic(1.0, 0.01, "x"))
    assert step.seconds == pytest.approx(100 / 0.01)
    assert step.shift is None
    assert "add --requests-per-second" in list(forecast_lines(rollout(), None))[-1]


def test_what_is_off_is_named():
    lines = list(forecast_lines(rollout(gates=Gates(errors=False, max_latency_ratio=None, drift=None)), None))
    assert lines[2:4] == ["    errors: not compared", "    latency: not compared"]
    assert lines[4].startswith("    drift: not compared, name the servers' request log")


def test_copies_without_a_log_are_said_to_be_compared_by_errors_and_latency_only():
    copies = Rollout(version=2, steps=(0.0, 5.0), shadow=20.0, hold_seconds=60, gates=Gates(drift=None))
    assert "answers are not compared without --request-log PREFIX" in list(forecast_lines(copies, None))[1]
    logged = copies.model_copy(update={"gates": Gates(request_log=("log",))})
    assert "at most 10% of the answers may flip" in list(forecast_lines(logged, None))[1]
