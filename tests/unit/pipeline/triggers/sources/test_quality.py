"""Quality as a reason to run: on windows that a real monitor closed."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from hilir.pipeline.triggers.sources.quality_loss import Quality
from hilir.serving.monitor.monitor import Monitor
from hilir.serving.monitor.window_store import MonitorStore
from tests.unit.pipeline.triggers.sources.test_drift import NOW, Traffic
from tests.unit.serving.monitor.test_realised import Prices
from tests.unit.serving.monitor.traffic import draw, line, project, write_log


class Scores(Traffic):
    def score(self, sure, version=1):
        """A window whose scores are sure of themselves, as on the evaluation data, or not."""
        self.number += 1
        scores = np.where(self.rng.random(1000) < 0.5, self.rng.beta(3, 1, 1000), self.rng.beta(1, 3, 1000))
        scores = scores if sure else 0.5 + (scores - 0.5) / 5
        inputs, _ = draw(self.rng, 1000)
        outputs = {"p": [[each] for each in scores]}
        write_log(self.root, [line(inputs, outputs, number=self.number, version=version, at=1e9 + self.number)])
        found = project(self.root)
        Monitor(found, MonitorStore(found.state)).step()

    def quality(self, kind="any", windows=2, quiet_hours=1.0):
        return Quality(self.root / "models/m", self.root / "state/m", kind, windows, quiet_hours)


LATER = NOW + timedelta(hours=2)


@pytest.fixture
def traffic(tmp_path):
    return Scores(tmp_path)


def test_windows_below_the_bound_in_a_row_fire_once(traffic):
    traffic.score(sure=False)
    assert traffic.quality().look({}, LATER).firings == ()
    traffic.score(sure=True)
    traffic.score(sure=False)
    assert traffic.quality().look({}, LATER).firings == ()
    traffic.score(sure=False)
    seen = traffic.quality().look({}, LATER)
    (firing,) = seen.firings
    assert firing.key == "quality:1:4"
    assert "estimated accuracy" in firing.payload.why
    assert firing.payload.why.endswith("of version 1 worse than expected in 2 windows in a row")
    assert traffic.quality().look(seen.memory, LATER + timedelta(days=1)).firings == ()


def test_it_is_quiet_after_a_new_version(traffic):
    traffic.score(sure=False)
    trigger = traffic.quality(windows=1, quiet_hours=3.0)
    assert trigger.look({}, LATER).note.endswith("quiet after the last run")
    assert len(trigger.look({}, LATER + timedelta(hours=2)).firings) == 1


def test_only_the_kind_that_was_asked_for(traffic):
    traffic.score(sure=False)
    assert traffic.quality("realised", windows=1).look({}, LATER).firings == ()
    assert len(traffic.quality("estimated", windows=1).look({}, LATER).firings) == 1


def test_a_regression_whose_errors_grow(tmp_path):
    prices = Prices(tmp_path)
    trigger = Quality(tmp_path / "models/m", tmp_path / "state/m", "realised", 2, 1.0)
    for off, firings in ((10.0, 0), (15.0, 0), (15.0, 1)):
        prices.tell(prices.ask(off=off))
        prices.step()
        seen = trigger.look({}, LATER)
        assert len(seen.firings) == firings, seen.note
    assert seen.firings[0].payload.why == "realised mae of version 2 worse than expected in 2 windows in a row"
