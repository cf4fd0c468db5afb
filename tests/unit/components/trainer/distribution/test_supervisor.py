"""The supervisor with real processes that speak the workers' protocol without TensorFlow."""

from __future__ import annotations

import sys
import time

import pytest

from hilir.components.trainer.distribution.supervisor import Cluster, Spec
from hilir.components.trainer.settings import Timeouts

TIMEOUTS = Timeouts(start=5.0, silent=0.6, stalled=2.0, export=5.0)
HEAD = """
import json, os, signal, sys, time
pipe = int(sys.argv[1])
def send(event, **content):
    os.write(pipe, json.dumps({"event": event, **content}).encode() + b"\\n")
def beat(seconds, steps=0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        send("beat", steps=steps)
        time.sleep(0.1)
work = json.load(sys.stdin)
"""
GOOD = "send('ready'); beat(0.3); send('progress', progress={'epoch': '1/1'})"
WAITING = "send('ready'); beat(30)"


def watch(tmp_path, *bodies, timeouts=TIMEOUTS, during=lambda cluster: None):
    specs = [
        Spec([sys.executable, "-c", HEAD + body], {}, tmp_path / f"worker-{index}.log", {"index": index})
        for index, body in enumerate(bodies)
    ]
    events = []
    with Cluster(specs, timeouts) as cluster:
        during(cluster)
        failure = cluster.watch(events.append)
        processes = [worker.process for worker in cluster._workers]
    assert all(process.poll() is not None for process in processes)
    return failure, events


def test_good_workers_end_without_a_failure(tmp_path):
    failure, events = watch(tmp_path, GOOD, GOOD)
    assert failure is None
    assert events[0] == {"workers": 2}
    assert events[1:] == [{"epoch": "1/1"}] * 2


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        ("send('ready'); print('out of cheese'); sys.exit(7)", "worker 1 of 2 ended with exit code 7"),
        ("send('ready'); os.kill(os.getpid(), signal.SIGKILL)", "worker 1 of 2 was killed by SIGKILL"),
        ("send('ready'); time.sleep(30)", "worker 1 of 2 has shown no sign of life for 1 s"),
        (
            "send('error', kind='ValueError', message='ValueError: no (m.py:1)', retry=False); sys.exit(1)",
            "worker 1 of 2 failed with ValueError: no (m.py:1)",
        ),
    ],
)
def test_the_failing_worker_is_named(tmp_path, body, summary):
    began = time.monotonic()
    failure, _ = watch(tmp_path, WAITING, body)
    assert failure is not None
    assert failure.summary == summary
    assert time.monotonic() - began < 4
    assert failure.last_lines(5) == ("out of cheese" if "cheese" in body else "(it wrote nothing)")


def test_a_worker_that_lost_another_is_not_blamed(tmp_path):
    lost = "send('ready'); beat(1.0); send('error', kind='UnavailableError', message='gone', retry=True); sys.exit(1)"
    failure, _ = watch(tmp_path, lost, "send('ready'); beat(0.8); os.kill(os.getpid(), signal.SIGKILL)")
    assert failure is not None
    assert failure.summary == "worker 1 of 2 was killed by SIGKILL"


def test_a_silent_worker_is_blamed_for_what_the_others_lost(tmp_path):
    lost = "send('ready'); beat(4); send('error', kind='UnavailableError', message='gone', retry=True); sys.exit(1)"
    timeouts = TIMEOUTS.model_copy(update={"silent": 60.0, "stalled": 60.0})
    failure, _ = watch(tmp_path, lost, "send('ready'); time.sleep(30)", timeouts=timeouts)
    assert failure is not None
    assert failure.summary.startswith("worker 1 of 2 hung")


def test_workers_that_live_and_do_nothing_have_stalled(tmp_path):
    failure, _ = watch(tmp_path, "send('ready'); beat(30, steps=5)", "send('ready'); beat(30, steps=4)")
    assert failure is not None
    assert failure.summary == "worker 1 of 2 has finished no step for 2 s"


def test_a_worker_that_is_not_ready_in_time(tmp_path):
    timeouts = TIMEOUTS.model_copy(update={"start": 1.0})
    failure, _ = watch(tmp_path, "send('ready'); beat(30)", "beat(30)", timeouts=timeouts)
    assert failure is not None
    assert failure.summary == "worker 1 of 2 was not ready 1 s after its start"


@pytest.mark.parametrize(
    "body", ["time.sleep(30)", "beat(0.5); time.sleep(30)", "os.kill(os.getpid(), signal.SIGSTOP)"]
)
def test_a_worker_that_falls_silent_before_it_is_ready(tmp_path, body):
    began = time.monotonic()
    timeouts = TIMEOUTS.model_copy(update={"start": 180.0})
    failure, _ = watch(tmp_path, "beat(30)", body, "beat(30)", timeouts=timeouts)
    assert failure is not None
    assert failure.summary == "worker 1 of 3 has shown no sign of life for 1 s, before it was ready"
    assert time.monotonic() - began < 4


def test_at_the_end_of_the_start_the_quietest_is_blamed(tmp_path):
    timeouts = TIMEOUTS.model_copy(update={"start": 1.0, "silent": 10.0})
    failure, _ = watch(tmp_path, "beat(30)", "time.sleep(30)", "beat(30)", timeouts=timeouts)
    assert failure is not None
    assert failure.summary == "worker 1 of 3 was not ready 1 s after its start"


def test_a_preempted_worker_leaves_the_others_time_to_save(tmp_path):
    saved = tmp_path / "saved"
    chief = f"send('ready'); beat(1.5); open({str(saved)!r}, 'w').close(); sys.exit(143)"
    failure, _ = watch(tmp_path, chief, "send('ready'); beat(0.5); sys.exit(143)")
    assert failure is not None
    assert saved.exists()
    assert failure.summary.endswith("was asked to stop")
    assert not failure.asked_to_stop


def test_sigterm_is_passed_on(tmp_path):
    import signal

    body = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); send('ready'); beat(30)"
    before = signal.getsignal(signal.SIGTERM)

    def terminate(cluster):
        time.sleep(0.7)
        signal.raise_signal(signal.SIGTERM)

    failure, _ = watch(tmp_path, body, body, during=terminate)
    assert failure is not None
    assert failure.asked_to_stop
    assert signal.getsignal(signal.SIGTERM) == before
