"""Drift as a reason to run: on windows that a real monitor closed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from hilir.pipeline.triggers.sources.drift_alarm import Drift
from hilir.serving.monitor.monitor import Monitor
from hilir.serving.monitor.window_store import MonitorStore
from tests.unit.serving.monitor.traffic import draw, line, make_reference, project, write_log, write_version

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Traffic:
    def __init__(self, root):
        self.root, self.rng, self.number = root, np.random.default_rng(5), 0
        self.serve(1)

    def serve(self, version):
        write_version(self.root / "models", version, make_reference(self.rng))
        manifest = {"created": NOW.isoformat(), "data": {}}
        (self.root / "models/m" / str(version) / "manifest.json").write_text(json.dumps(manifest))

    def window(self, shift=0.0, version=1):
        self.number += 1
        line_ = line(*draw(self.rng, 1000, shift), number=self.number, version=version, at=1e9 + self.number)
        write_log(self.root, [line_])
        found = project(self.root)
        Monitor(found, MonitorStore(found.state)).step()

    def trigger(self, level="alarm", windows=2, quiet_hours=1.0):
        return Drift(self.root / "models/m", self.root / "state/m", level, windows, quiet_hours)


@pytest.fixture
def traffic(tmp_path):
    return Traffic(tmp_path)


def test_before_any_monitor(tmp_path):
    seen = Drift(tmp_path / "models/m", tmp_path / "state/m", "alarm", 2, 1.0).look({}, NOW)
    assert not seen.firings
    assert seen.note.endswith("start 'hilir monitor run'")


def test_enough_windows_in_a_row_fire_once(traffic):
    trigger = traffic.trigger()
    traffic.window(shift=1.0)
    assert trigger.look({}, NOW).firings == ()
    traffic.window()
    traffic.window(shift=1.0)
    assert trigger.look({}, NOW).firings == ()
    traffic.window(shift=1.0)
    seen = trigger.look({}, NOW)
    (firing,) = seen.firings
    assert firing.payload.why == "x of version 1 differs from the training data in 2 windows in a row"
    assert firing.key == "drift:1:4"
    assert trigger.look(seen.memory, NOW + timedelta(hours=9)).firings == ()


def test_it_is_quiet_for_a_time(traffic):
    trigger = traffic.trigger(windows=1)
    traffic.window(shift=1.0)
    memory = trigger.look({}, NOW).memory
    traffic.window(shift=1.0)
    assert trigger.look(memory, NOW + timedelta(minutes=59)).firings == ()
    assert len(trigger.look(memory, NOW + timedelta(minutes=61)).firings) == 1


def test_the_quiet_time_is_no_longer_on_a_clock_that_was_set_back(traffic):
    trigger = traffic.trigger(windows=1)
    traffic.window(shift=1.0)
    memory = trigger.look({}, NOW).memory
    traffic.window(shift=1.0)
    before = NOW - timedelta(days=3)
    seen = trigger.look(memory, before)
    assert seen.firings == ()
    assert trigger.look(seen.memory, before + timedelta(minutes=59)).firings == ()
    assert len(trigger.look(seen.memory, before + timedelta(minutes=61)).firings) == 1


def test_a_new_version_is_judged_by_its_own_windows(traffic):
    trigger = traffic.trigger(windows=1)
    traffic.window(shift=1.0)
    traffic.serve(2)
    assert trigger.look({}, NOW).note == "version 2 has no window yet"
    traffic.window(shift=1.0, version=2)
    assert trigger.look({}, NOW).firings[0].key == "drift:2:2"


def test_a_warning_is_less_than_an_alarm(traffic):
    traffic.window(shift=0.5)
    assert traffic.trigger("alarm", 1).look({}, NOW).firings == ()
    assert len(traffic.trigger("warn", 1).look({}, NOW).firings) == 1
