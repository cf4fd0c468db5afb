"""The daemon's decisions with real runs and a clock that the test sets."""

import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest

from hilir.pipeline.triggers.daemon import ledger
from hilir.pipeline.triggers.daemon.daemon_status import describe, write_lines
from hilir.pipeline.triggers.daemon.firing_policy import DAY
from tests.unit.pipeline.triggers.conftest import LIMITS


def lock_pid(bench):
    with bench.state.view() as connection:
        return connection.execute("SELECT pid FROM attempt WHERE state = 'running'").fetchone()["pid"]


def test_reasons_that_come_together_are_one_run_which_is_told_all_of_them(bench):
    bench.fire("a")
    bench.fire("a")
    bench.tick(5)
    bench.fire("b")
    bench.tick(9)
    assert bench.attempts() == []
    bench.tick(1)
    bench.wait_begun(1)
    told = json.loads((bench.root / "began").read_text())
    assert [payload["why"] for payload in told] == ["because of a", "because of b"]
    bench.go()
    bench.wait_ended()
    assert bench.runs() == ["succeeded"]


def test_a_run_has_the_environment_that_the_daemon_gives_it(bench, monkeypatch):
    monkeypatch.setenv("HILIR_WATCH_TOKEN", "secret")
    bench.environment = {name: value for name, value in os.environ.items() if name != "HILIR_WATCH_TOKEN"}
    bench.start()
    bench.fire("a")
    bench.tick(10)
    bench.wait_begun(1)
    launcher = lock_pid(bench)
    (program,) = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    for pid in (launcher, program):
        assert b"HILIR_WATCH_TOKEN" not in Path(f"/proc/{pid}/environ").read_bytes()
    bench.go()
    bench.wait_ended()


def test_one_run_at_a_time_and_one_more_for_all_that_came_meanwhile(bench):
    bench.fire("a")
    bench.tick(10)
    bench.wait_begun(1)
    for key in "bcd":
        bench.fire(key)
        bench.tick(20)
    assert bench.runs() == ["active", "waiting"]
    assert bench.begun() == 1
    bench.go()
    bench.wait_ended()
    bench.wait_begun(2)
    bench.wait_ended()
    assert bench.runs() == ["succeeded", "succeeded"]


def test_a_run_each(make_bench):
    bench = make_bench(dataclasses.replace(LIMITS, queue="each", debounce=0))
    bench.go()
    for key in "abc":
        bench.fire(key)
        bench.tick(1)
    while "waiting" in bench.runs() or "active" in bench.runs():
        bench.wait_ended()
    assert bench.runs() == ["succeeded"] * 3
    assert bench.begun() == 3


def test_a_run_that_is_made_during_a_tick_does_not_wait_for_the_time_at_which_the_tick_began(make_bench):
    bench = make_bench(dataclasses.replace(LIMITS, debounce=0))
    reads = []

    def clock():
        if reads:
            return bench.now
        reads.append(began := bench.now)
        bench.now += 1
        bench.fire("a")
        return began

    bench.watcher._clock = clock
    bench.tick()
    assert bench.decisions() == ["data: because of a: run 1 is made", "run 1 starts"]
    bench.wait_begun(1)


def test_skipped_reasons_are_shown_with_the_rule(make_bench):
    bench = make_bench(dataclasses.replace(LIMITS, queue="skip"))
    bench.fire("a")
    bench.tick(10)
    bench.wait_begun(1)
    bench.fire("b")
    assert bench.runs() == ["active"]
    assert bench.decisions()[-1] == "data: because of b: skipped: run 1 is underway, and watch.queue is 'skip'"


def test_a_failed_run_is_tried_again_later_and_later_and_then_given_up(bench):
    bench.go("4 nothing")
    bench.fire("a")
    bench.tick(10)
    bench.wait_ended()
    assert bench.runs() == ["waiting"]
    bench.tick(59)
    assert bench.attempts() == [(1, 1, "failed")]
    bench.tick(1)
    bench.wait_ended()
    bench.tick(119)
    assert bench.attempts() == [(1, 1, "failed"), (1, 2, "failed")]
    bench.tick(1)
    bench.wait_ended()
    assert bench.runs() == ["failed"]
    assert bench.decisions()[-1].endswith("given up: tried 3 times, and watch.backoff.attempts is 3")
    assert any("2 failed in a row (watch.backoff)" in text for text in bench.decisions())
    # A new reason waits for the end of the backoff, too.
    bench.now += DAY
    bench.go()
    bench.fire("b")
    bench.tick(10)
    bench.wait_ended()
    assert bench.runs() == ["failed", "succeeded"]


def test_a_configuration_error_is_not_tried_again(bench):
    bench.go("3 ")
    bench.fire("a")
    bench.tick(10)
    bench.wait_ended()
    assert bench.runs() == ["failed"]


def test_a_program_that_does_not_exist_is_a_configuration_error(bench):
    bench.watcher._program = ["/no/such/program"]
    bench.fire("a")
    bench.tick(10)
    bench.wait_ended()
    assert bench.runs() == ["failed"]
    assert "fix watch.program" in (bench.state.folder / "runs" / "1-1.err").read_text()


def test_at_most_so_many_runs_a_day(bench):
    bench.go()
    for key in "abc":
        bench.fire(key)
        bench.tick(10)
        bench.wait_ended()
    bench.fire("d")
    bench.tick(3600)
    assert bench.runs()[-1] == "waiting"
    assert "3 runs started in the last 24 hours, and watch.runs_a_day is 3" in bench.decisions()[-1]
    bench.tick(DAY - 3600)
    bench.wait_ended()
    assert bench.runs() == ["succeeded"] * 4


def test_a_hold_keeps_every_run_waiting(bench):
    bench.trigger.hold = "span 9 is not complete"
    bench.fire("a")
    bench.tick(100)
    assert bench.attempts() == []
    assert any(line.endswith("waits span 9 is not complete") for line in write_lines(describe(bench.state), "c"))
    bench.trigger.hold = None
    bench.fire("b")
    bench.tick(10)
    bench.wait_begun(1)


def test_data_that_arrives_just_before_a_run_holds_it(bench):
    bench.fire("a")
    # Nobody has looked since.
    bench.trigger.hold = "span 9 is not complete"
    bench.tick(10)
    assert bench.attempts() == []
    assert bench.decisions()[-1].endswith("waits span 9 is not complete")
    bench.trigger.hold = None
    bench.fire("b")
    bench.tick(10)
    bench.wait_begun(1)


def test_a_watcher_that_comes_after_a_kill_finds_the_run_that_goes_on(bench):
    bench.fire("a")
    bench.tick(10)
    bench.wait_begun(1)
    bench.start()
    for _ in range(3):
        bench.tick(1)
    assert bench.begun() == 1
    bench.go()
    bench.wait_ended()
    assert bench.attempts() == [(1, 1, "succeeded")]


def test_a_watcher_killed_between_the_decision_and_the_start_makes_up_for_it(bench):
    bench.fire("a")
    bench.now += 10
    assert ledger.start_next(bench.state, LIMITS, lambda: bench.now).number == 1
    bench.start()
    bench.tick()
    bench.wait_begun(1)
    bench.go()
    bench.wait_ended()
    assert bench.attempts() == [(1, 1, "succeeded")]


def test_two_launchers_of_one_attempt_are_one_run(bench):
    bench.fire("a")
    bench.tick(10)
    bench.start()
    bench.tick()
    bench.wait_begun(1)
    bench.start()
    bench.tick()
    bench.go()
    bench.wait_ended()
    assert bench.begun() == 1
    assert bench.attempts() == [(1, 1, "succeeded")]


def test_a_launcher_that_is_killed_loses_neither_the_run_nor_its_result(bench):
    bench.fire("a")
    bench.tick(10)
    bench.wait_begun(1)
    os.kill(lock_pid(bench), signal.SIGKILL)
    for _ in range(3):
        bench.tick(1)
    # The program lives and holds the lock: nothing is begun beside it.
    assert bench.begun() == 1
    bench.go()
    bench.wait(lambda: bench.tick() or bench.runs() == ["succeeded"])
    assert bench.begun() == 1


def test_a_run_that_died_with_its_launcher_is_begun_again_at_once(bench):
    bench.fire("a")
    bench.tick(10)
    bench.wait_begun(1)
    os.killpg(lock_pid(bench), signal.SIGKILL)
    bench.wait(lambda: bench.tick() or len(bench.attempts()) == 2)
    bench.wait_begun(2)
    bench.go()
    bench.wait_ended()
    assert bench.attempts() == [(1, 1, "lost"), (1, 2, "succeeded")]


def test_a_launcher_that_was_killed_before_it_started_the_program_is_made_up_for(bench):
    bench.fire("a")
    bench.now += 10
    ledger.start_next(bench.state, LIMITS, lambda: bench.now)
    (bench.state.folder / "runs").mkdir()
    assert ledger.claim(bench.state, 1, 1, 4_194_305)
    bench.tick()
    bench.wait_begun(1)
    bench.go()
    bench.wait_ended()
    assert bench.attempts() == [(1, 1, "lost"), (1, 2, "succeeded")]


def test_a_stop_signal_reaches_the_run(bench):
    bench.fire("a")
    bench.tick(10)
    bench.wait_begun(1)
    os.kill(lock_pid(bench), signal.SIGTERM)
    bench.wait_ended()
    assert bench.attempts() == [(1, 1, "failed")]
    assert bench.runs() == ["waiting"]


def test_a_model_that_is_not_blessed_answers_its_reasons(bench):
    bench.fire("a")
    bench.tick(10)
    bench.wait_begun(1)
    bench.go('6 {"status": "not_blessed", "blessed": false, "version": null, "reasons": ["auc is 0.5"]}')
    bench.wait_ended()
    bench.tick(100_000)
    assert bench.begun() == 1
    assert bench.runs() == ["succeeded"]
    assert bench.said[-1] == "run 1 not blessed: auc is 0.5"
    assert "run 1 not blessed" in bench.decisions()
    assert "  run 1: not blessed" in list(write_lines(describe(bench.state), "m.yaml"))


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (
            '4 {"status": "failed", "reasons": ["Trainer: KeyError: \'x\' (m/model.py:3)\\nmore"]}',
            "Trainer: KeyError: 'x' (m/model.py:3)",
        ),
        ("4 ", "data.path 'x': does not exist"),
    ],
)
def test_the_console_says_why_a_run_failed(bench, ending, reason):
    (bench.root / "error").write_text("noise\nhilir: data.path 'x': does not exist\nmore\n")
    bench.fire("a")
    bench.tick(10)
    bench.wait_begun(1)
    bench.go(ending)
    bench.wait_ended()
    assert f"run 1 failed: {reason}" in bench.said
