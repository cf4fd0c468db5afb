"""The search on the machine that started KerasTuner's chief as a child process."""

from __future__ import annotations

import multiprocessing
import os
import signal

import pytest
from keras_tuner.engine import base_tuner

from hilir.components.errors import TrainingError
from hilir.components.tuner.search import Search


@pytest.fixture
def search(monkeypatch):
    """Returns a function that searches with the loop that it is given, and returns how the chief ended."""

    def run(loop, chief, *arguments, raises=None):
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setattr(base_tuner.BaseTuner, "search", lambda _: loop())
        child = multiprocessing.Process(target=chief, args=arguments)
        child.start()
        try:
            if raises is None:
                Search.__new__(Search).search()
            else:
                with pytest.raises(raises):
                    Search.__new__(Search).search()
            child.join(timeout=60)
            return child.exitcode
        finally:
            child.kill()

    return run


def test_the_chief_may_finish(search):
    finish = multiprocessing.Event()
    # The loop is over before the chief is.
    assert search(finish.set, finish.wait) == 0


def test_a_chief_that_failed_is_no_success(search):
    with pytest.raises(TrainingError) as raised:
        search(lambda: None, os._exit, 3)
    assert str(raised.value) == (
        "the chief of the search ended with exit code 3; the reason is in the log of the Tuner's job, machine "
        "workerpool0-0: fix it and run again"
    )


def test_a_failure_ends_the_chief_that_would_wait_for_ever(search):
    def fail():
        raise KeyError("no such column")

    assert search(fail, signal.pause, raises=KeyError) == -signal.SIGKILL
