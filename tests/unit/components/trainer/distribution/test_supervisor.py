"""The supervisor with real processes that speak the workers' protocol without TensorFlow."""

from __future__ import annotations

import os
import sys
import time

import pytest

from hilir.components.trainer.distribution.supervisor import Cluster, Spec
from hilir.components.trainer.settings import Timeouts

# Each test shortens the one that it is about, so that a slow machine does not run into another.
TIMEOUTS = Timeouts(start=60.0, silent=60.0, stalled=60.0, export=60.0)
SILENT = TIMEOUTS.model_copy(update={"silent": 1.0})
HEAD = """
import json, os, signal, sys, time
pipe = int(sys.argv[1])
def send(event, **content):
    os.write(pipe, json.dumps({"event": event, **content}).encode() + b"\\n")
def beat(seconds=float("inf"), steps=0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        send("beat", steps=steps)
        time.sleep(0.1)
def wait_for(path):
    while not os.path.exists(path):
        beat(0.1)
def state_of(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
def wait_for_end(path):
    wait_for(path)
    pid = open(path).read()
    while state_of(pid) != "Z":
        beat(0.1)
def note(path):
    open(path + ".new", "w").write(str(os.getpid()))
    os.rename(path + ".new", path)
work = json.load(sys.stdin)
"""
# These stop only when they are killed: a supervisor that waited for them would never come back.
WAITING = "send('ready'); beat()"
SILENCE = "signal.pause()"


def watch(tmp_path, *bodies, timeouts=TIMEOUTS, during=lambda cluster: None, report=lambda event: None):
    specs = [
        Spec([sys.executable, "-c", HEAD + body], {}, tmp_path / f"worker-{index}.log", {"index": index})
        for index, body in enumerate(bodies)
    ]
    events = []
    with Cluster(specs, timeouts) as cluster:
        during(cluster)
        failure = cluster.watch(lambda event: (events.append(event), report(event)))
        processes = [worker.process for worker in cluster._workers]
    assert all(process.poll() is not None for process in processes)
    return failure, events


def test_a_worker_that_computes_without_a_word_does_not_hang(tmp_path):
    busy = "send('ready'); end = time.monotonic() + 3\nwhile time.monotonic() < end: pass"
    assert watch(tmp_path, busy, timeouts=SILENT)[0] is None


def wait_for(*paths):
    deadline = time.monotonic() + 60
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_worker_that_ended_while_nobody_looked_did_not_hang(tmp_path):
    pids = []

    def look_away(_):
        os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)
        time.sleep(1.5 * SILENT.silent)

    failure, events = watch(
        tmp_path, "send('ready')", timeouts=SILENT, during=lambda cluster: pids.extend(cluster.pids), report=look_away
    )
    assert failure is None
    assert events == [{"workers": 1}]


def test_good_workers_end_without_a_failure(tmp_path):
    together = tmp_path / "together"
    good = f"send('ready'); wait_for({str(together)!r}); send('progress', progress={{'epoch': '1/1'}})"
    failure, events = watch(tmp_path, good, good, report=lambda _: together.touch())
    assert failure is None
    assert events[0] == {"workers": 2}
    assert events[1:] == [{"epoch": "1/1"}] * 2


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        ("send('ready'); print('out of cheese'); sys.exit(7)", "worker 1 of 2 ended with exit code 7"),
        ("send('ready'); os.kill(os.getpid(), signal.SIGKILL)", "worker 1 of 2 was killed by SIGKILL"),
        (f"send('ready'); {SILENCE}", "worker 1 of 2 has shown no sign of life for 1 s"),
        (
            "send('error', kind='ValueError', message='ValueError: no (m.py:1)', retry=False); sys.exit(1)",
            "worker 1 of 2 failed with ValueError: no (m.py:1)",
        ),
    ],
)
def test_the_failing_worker_is_named(tmp_path, body, summary):
    failure, _ = watch(tmp_path, WAITING, body, timeouts=SILENT)
    assert failure is not None
    assert failure.summary == summary
    assert failure.last_lines(5) == ("out of cheese" if "cheese" in body else "(it wrote nothing)")


def test_a_worker_that_lost_another_is_not_blamed(tmp_path):
    path = str(tmp_path / "killed")
    lost = (
        f"send('ready'); wait_for_end({path!r}); "
        "send('error', kind='UnavailableError', message='gone', retry=True); sys.exit(1)"
    )
    failure, _ = watch(tmp_path, lost, f"send('ready'); note({path!r}); os.kill(os.getpid(), signal.SIGKILL)")
    assert failure is not None
    assert failure.summary == "worker 1 of 2 was killed by SIGKILL"


def test_a_silent_worker_is_blamed_for_what_the_others_lost(tmp_path):
    heard = tmp_path / "heard"
    lost = (
        f"send('ready'); wait_for({str(heard)!r}); beat(3.5); "
        "send('error', kind='UnavailableError', message='gone', retry=True); sys.exit(1)"
    )
    # It is reported once the supervisor has heard from both for the last time before the silence.
    failure, _ = watch(tmp_path, lost, f"send('ready'); {SILENCE}", report=lambda _: heard.touch())
    assert failure is not None
    assert failure.summary.startswith("worker 1 of 2 hung")


def test_workers_that_live_and_do_nothing_have_stalled(tmp_path):
    timeouts = TIMEOUTS.model_copy(update={"stalled": 2.0})
    bodies = (f"send('beat', steps={steps}); send('ready'); beat(steps={steps})" for steps in (5, 4))
    failure, _ = watch(tmp_path, *bodies, timeouts=timeouts)
    assert failure is not None
    assert failure.summary == "worker 1 of 2 has finished no step for 2 s"


def test_a_worker_that_is_not_ready_in_time(tmp_path):
    timeouts = TIMEOUTS.model_copy(update={"start": 3.0})
    ready = tmp_path / "ready"
    chief = f"send('ready'); note({str(ready)!r}); beat()"
    failure, _ = watch(tmp_path, chief, "beat()", timeouts=timeouts, during=lambda _: wait_for(ready))
    assert failure is not None
    assert failure.summary == "worker 1 of 2 was not ready 3 s after its start"


@pytest.mark.parametrize("body", [SILENCE, f"beat(0.5); {SILENCE}", "os.kill(os.getpid(), signal.SIGSTOP)"])
def test_a_worker_that_falls_silent_before_it_is_ready(tmp_path, body):
    failure, _ = watch(tmp_path, "beat()", body, "beat()", timeouts=SILENT)
    assert failure is not None
    assert failure.summary == "worker 1 of 3 has shown no sign of life for 2 s, before it was ready"


def test_at_the_end_of_the_start_the_quietest_is_blamed(tmp_path):
    timeouts = TIMEOUTS.model_copy(update={"start": 3.0})
    heard = [tmp_path / "first", tmp_path / "last"]
    first, last = (f"beat(0.1); note({str(path)!r}); beat()" for path in heard)
    failure, _ = watch(tmp_path, first, SILENCE, last, timeouts=timeouts, during=lambda _: wait_for(*heard))
    assert failure is not None
    assert failure.summary == "worker 1 of 3 was not ready 3 s after its start"


def test_a_preempted_worker_leaves_the_others_time_to_save(tmp_path):
    saved, gone = tmp_path / "saved", str(tmp_path / "gone")
    chief = f"send('ready'); wait_for_end({gone!r}); beat(1); note({str(saved)!r}); sys.exit(143)"
    failure, _ = watch(tmp_path, chief, f"send('ready'); note({gone!r}); sys.exit(143)")
    assert failure is not None
    assert saved.exists()
    assert failure.summary.endswith("was asked to stop")
    assert not failure.asked_to_stop


def test_sigterm_is_passed_on(tmp_path):
    import signal

    ready = [tmp_path / f"ready-{index}" for index in range(2)]
    body = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); send('ready'); "
        f"note(f\"{tmp_path}/ready-{{work['index']}}\"); beat()"
    )
    before = signal.getsignal(signal.SIGTERM)

    def terminate(_):
        wait_for(*ready)
        signal.raise_signal(signal.SIGTERM)

    failure, _ = watch(tmp_path, body, body, during=terminate)
    assert failure is not None
    assert failure.asked_to_stop
    assert signal.getsignal(signal.SIGTERM) == before
