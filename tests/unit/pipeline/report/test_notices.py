"""Which notifications a run's end gives."""

import dataclasses

import pytest

from hilir.pipeline.report.run_notices import list_events, notify_run
from hilir.pipeline.report.summary import Summary
from hilir.serving.notify import Channel

SUMMARY = Summary("r-1", "succeeded", True, [], 7, "/models/m/7", {"auc": 0.9}, {}, [], 1.0)


@pytest.mark.parametrize(
    ("changes", "events"),
    [
        ({}, ["run-blessed", "run-pushed"]),
        ({"blessed": None}, ["run-pushed"]),
        ({"status": "not_blessed", "blessed": False, "version": None}, ["run-not-blessed"]),
        ({"status": "failed", "blessed": None, "version": None}, ["run-failed"]),
        ({"status": "interrupted", "blessed": None, "version": None}, []),
    ],
)
def test_events_follow_from_the_summary(changes, events):
    assert list(list_events(dataclasses.replace(SUMMARY, **changes))) == events


def test_a_command_is_told_and_a_fault_is_only_a_line(tmp_path, capfd):
    channels = [Channel(command=["tee", str(tmp_path / "told")], events=["run-failed"]), Channel(command=["/nowhere"])]
    failed = dataclasses.replace(SUMMARY, status="failed", version=None, reasons=["Trainer: no memory"])
    notify_run(channels, "m", failed)
    assert '"text": "m: run r-1: failed: Trainer: no memory"' in (tmp_path / "told").read_text()
    assert "hilir: command /nowhere: the notification of run-failed was not delivered" in capfd.readouterr().err
