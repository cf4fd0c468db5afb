"""Trainings in real worker processes on this machine."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hilir.components.errors import ModelPackageError, TrainingError, UserCodeError
from hilir.components.trainer.launch import find_ports, launch


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Mishaps:
    """Does one thing to each attempt's workers, each as soon as a worker has begun a given step."""

    def __init__(self, site, *mishaps: tuple[int, int, int] | None) -> None:
        """`mishaps`: (optimizer step, worker, signal), None for an attempt that is left alone."""
        self._site = site
        self._waiting = list(mishaps)
        self.pids: list[int] = []

    def on_start(self, pids: list[int]) -> None:
        self.pids += pids
        mishap = self._waiting.pop(0) if self._waiting else None
        if mishap is not None:
            threading.Thread(target=self._strike, args=(pids, *mishap), daemon=True).start()

    def _strike(self, pids: list[int], step: int, worker: int, number: int) -> None:
        deadline = time.monotonic() + 120
        while self._site.steps_of(pids[worker]) < step and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(pids[worker], number)


class Ports:
    """Gives free ports, but in the first attempt one that somebody else has."""

    def __init__(self, taken: int) -> None:
        self._taken = taken
        self.chosen: list[list[int]] = []

    def choose(self, count: int) -> list[int]:
        ports = find_ports(count)
        self.chosen.append(ports if self.chosen else [self._taken, *ports[1:]])
        return self.chosen[-1]


def _check_each_row_once_per_epoch(site) -> None:
    steps = site.steps()
    assert sorted(steps) == list(range(site.epochs * site.steps_per_epoch))
    for epoch in range(site.epochs):
        seen: Counter[int] = Counter()
        for step in range(epoch * site.steps_per_epoch, (epoch + 1) * site.steps_per_epoch):
            seen.update(steps[step])
        assert seen == Counter(range(site.rows))


def _check_same_weights(first, second) -> None:
    for one, other in zip(first.weights(), second.weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_one_device_sees_each_row_once_per_epoch(alone):
    _check_each_row_once_per_epoch(alone)


def _check_same_figures(first, second) -> None:
    assert len(first.figures()) == len(second.figures())
    for one, other in zip(first.figures(), second.figures(), strict=True):
        # In this mean over the epoch several replicas count the smaller last batch as a whole one.
        assert one.pop("loss") == pytest.approx(other.pop("loss"), abs=0.06)
        assert one.pop("twice") == pytest.approx(other.pop("twice"), abs=0.12)
        # Reports are rounded to four places.
        assert one == pytest.approx(other, abs=2e-4)
        assert {"accuracy", "balance", "val_loss", "val_accuracy", "val_balance", "val_twice"} == one.keys()


def test_two_workers_do_what_one_does(site, alone):
    mishaps = Mishaps(site)
    launch(site.job(), "multi_worker", 2, on_start=mishaps.on_start)

    _check_each_row_once_per_epoch(site)
    assert site.steps() == alone.steps()
    _check_same_weights(site, alone)
    _check_same_figures(site, alone)
    assert {"workers": 2} in site.events
    assert [event["epoch"] for event in site.events if "epoch" in event] == [f"{n}/5" for n in range(1, 6)]
    assert not any(_is_alive(pid) for pid in mishaps.pids)
    files = {path.name for path in (site.root / "Trainer/model/1").rglob("*")}
    assert {"Format-Serving", "saved_model.pb"} <= files
    assert [path.name for path in (site.root / "Trainer/model/1").iterdir()] == ["Format-Serving"]
    assert len(list((site.root / "Trainer/model_run/1/workers/attempt-1").glob("worker-*.log"))) == 2
    assert not list((site.root / "Trainer/checkpoints").glob("*"))


def test_workers_send_each_other_gradients_only(site, alone):
    # With a training step of the user's own there is more: what the step asks for.
    job = site.job("train.hyperparameters.own_step=false", "train.hyperparameters.balance=false")
    launch(job, "multi_worker", 2)

    assert site.collectives() == [{"train": 1, "evaluation": 0}] * 2
    names = ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert [list(figures) for figures in site.figures()] == [names] * 5
    for one, other in zip(site.figures(), alone.figures(), strict=True):
        assert [one[name] for name in names[1:]] == pytest.approx([other[name] for name in names[1:]], abs=2e-4)


def test_workers_stop_early_together_by_a_figure_of_the_models_own(site):
    job = site.job(
        "train.early_stopping={monitor: val_twice, mode: min, min_delta: 0.2, patience: 1}", "train.epochs=9"
    )
    launch(job, "multi_worker", 2)

    assert 1 < len(site.figures()) < 9
    assert not any("restart" in event for event in site.events)


def test_two_mirrored_devices_do_what_one_does(site, alone):
    launch(site.job("train.strategy=mirrored", "train.devices=2"), "mirrored", 1)

    assert site.steps() == alone.steps()
    _check_same_weights(site, alone)
    _check_same_figures(site, alone)


def test_a_cluster_gets_over_a_taken_port_two_kills_a_hang_and_a_preemption(site, alone):
    mishaps = Mishaps(
        site,
        None,
        (9, 1, signal.SIGKILL),
        (16, 0, signal.SIGKILL),
        (23, 1, signal.SIGSTOP),
        (30, 1, signal.SIGTERM),
    )
    job = site.job("train.max_restarts=5", "train.hyperparameters.step_seconds=0.15", "train.timeouts.start=60")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = Ports(taken.getsockname()[1])
        launch(job, "multi_worker", 2, on_start=mishaps.on_start, choose_ports=ports.choose)

    _check_same_weights(site, alone)
    assert len({port for ports in ports.chosen for port in ports}) == 12
    reasons = [event["because"] for event in site.events if "because" in event]
    assert reasons[0].startswith("worker ")
    assert reasons[1] == "worker 1 of 2 was killed by SIGKILL"
    assert reasons[2] == "worker 0 (the chief) of 2 was killed by SIGKILL"
    assert reasons[3].startswith("worker 1 of 2 ")
    assert "no sign of life" in reasons[3]
    assert reasons[4].endswith("was asked to stop")
    resumed = [event["resumed"] for event in site.events if "resumed" in event]
    assert resumed[:3] == ["epoch 2 step 0", "epoch 3 step 0", "epoch 4 step 0"]
    # The preempted workers saved in the middle of the epoch, and no step was done twice after that.
    epoch, step = (int(word) for word in resumed[3].replace("epoch", "").split("step"))
    assert epoch == 5
    assert step > 0
    redone = site.steps()[28 + step - 1]
    assert sum(redone.values()) == len(redone)
    assert not any(_is_alive(pid) for pid in mishaps.pids)


def test_a_worker_that_never_starts_is_given_up_with_its_last_lines(site):
    pids: list[int] = []

    def on_start(started: list[int]) -> None:
        pids.extend(started)
        os.kill(started[1], signal.SIGSTOP)

    job = site.job("train.max_restarts=1", "train.timeouts.start=2.0")
    with pytest.raises(TrainingError) as raised:
        launch(job, "multi_worker", 2, on_start=on_start)

    message = str(raised.value)
    assert message.startswith("the training on 2 workers was given up after 1 restarts (train.max_restarts): worker 1 ")
    assert "was not ready 2 s after its start. Its last lines:\n" in message
    assert "the training continues from its last checkpoint" in message
    assert len(pids) == 4
    assert not any(_is_alive(pid) for pid in pids)


@pytest.mark.parametrize("importing", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_worker_that_stops_while_it_starts_is_noticed_and_named(site, importing):
    """At once, before its first sign of life, and in the middle of its imports; with the timeouts as they are."""

    def on_start(pids: list[int]) -> None:
        if importing:
            _wait_for(lambda: _has_loaded(pids[1], "tensorflow"), 60)
        os.kill(pids[1], signal.SIGSTOP)

    with pytest.raises(TrainingError) as raised:
        launch(site.job("train.max_restarts=0"), "multi_worker", 2, on_start=on_start)

    assert "worker 1 of 2 has shown no sign of life for 20 s, before it was ready" in str(raised.value)


def test_a_fault_of_the_package_is_not_tried_again(site, capfd):
    starts: list[list[int]] = []
    with pytest.raises(UserCodeError, match=r"^KeyError: 'no such column' \(.*\.py:\d+\)$"):
        launch(site.job("train.hyperparameters.fail=no such column"), "mirrored", 1, on_start=starts.append)
    assert len(starts) == 1
    # The whole traceback is where this process's own messages go, which is the run's log.
    assert "in build_model" in capfd.readouterr().err


def test_what_xla_cannot_do_is_told_at_once(site):
    starts: list[list[int]] = []
    job = site.job("train.strategy=mirrored", "train.devices=2", "train.jit_compile=true")
    with pytest.raises(TrainingError, match=r"train\.jit_compile is true, and the 2 replicas are CPUs"):
        launch(job, "mirrored", 1, on_start=starts.append)
    assert len(starts) == 1


def test_a_step_that_cannot_unpack_weights_is_explained(site):
    job = site.job("train.strategy=mirrored", "train.devices=2", "train.hyperparameters.pairs=true")
    with pytest.raises(
        ModelPackageError, match="the train_step of the model 'recorded' cannot unpack a batch: with sev"
    ):
        launch(job, "mirrored", 1)


@pytest.mark.slow
def test_a_wrong_hyperparameter_is_reported_as_in_the_own_process(site):
    with pytest.raises(
        ModelPackageError, match=r"train\.hyperparameters\.learning_rate: Input should be a valid number"
    ):
        launch(site.job("train.hyperparameters.learning_rate=fast"), "mirrored", 1)


_SUPERVISOR = """
import sys
from hilir.components.trainer.training_job import TrainingJob
from hilir.components.trainer.launch import launch
def on_start(pids):
    print(*pids, flush=True)
launch(TrainingJob.from_json(sys.argv[1]), "multi_worker", 2, on_start=on_start)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_is_left_when_the_supervisor_ends(site, number):
    import subprocess
    import sys

    with subprocess.Popen([sys.executable, "-c", _SUPERVISOR, site.job().to_json()], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        _wait_for(lambda: all(_has_loaded(pid, "tensorflow") for pid in pids), 60)
        process.send_signal(number)
        process.wait(timeout=20)
    _wait_for(lambda: not any(_is_alive(pid) for pid in pids))


def _has_loaded(pid: int, library: str) -> bool:
    """Tells whether the process has loaded a file of the library; it is still importing then."""
    try:
        return library in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def _wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
