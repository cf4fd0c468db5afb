"""The search on the machine that started KerasTuner's chief as a child process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest
from keras_tuner.engine import base_tuner

from hilir.components.errors import TrainingError
from hilir.components.tuner.search import Search


@pytest.fixture
def search(monkeypatch):
    """Returns a search, whose loop is a function that is given, beside a chief."""

    def run(loop, chief, *arguments):
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setattr(base_tuner.BaseTuner, "search", lambda _: loop())
        child = multiprocessing.Process(target=chief, args=arguments)
        child.start()
        try:
            Search.__new__(Search).search()
        finally:
            child.join(timeout=5)
            code = child.exitcode
            child.kill()
        return code

    return run


def test_the_chief_may_finish(search):
    assert search(lambda: None, time.sleep, 0.3) == 0


def test_a_chief_that_failed_is_no_success(search):
    with pytest.raises(TrainingError) as raised:
        search(lambda: None, os._exit, 3)
    assert str(raised.value) == (
        "the chief of the search ended with exit code 3; the reason is in the log of the Tuner's job, machine "
        "workerpool0-0: mend it and run again"
    )


def test_a_failure_ends_the_chief_that_would_wait_for_ever(search):
    began = time.monotonic()

    def fail():
        raise KeyError("no such column")

    with pytest.raises(KeyError):
        search(fail, time.sleep, 60)
    assert time.monotonic() - began < 5
    assert not [child for child in multiprocessing.active_children() if child.exitcode != -signal.SIGKILL]
