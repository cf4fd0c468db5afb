"""Realised quality: outcomes of a real store joined with the predictions of a real log, whenever they come."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from hilir.analysis.quality import fit_quality
from hilir.serving.monitor.monitor import Monitor
from hilir.serving.monitor.monitor_metrics import write_figures
from hilir.serving.monitor.realised import Realised
from hilir.serving.monitor.window_store import MonitorStore
from hilir.serving.monitor.window_summary import summarize, write_lines
from hilir.serving.outcomes.backends import open_store
from hilir.serving.outcomes.outcome_records import Outcome
from tests.unit.serving.monitor.traffic import draw, line, make_reference, project, write_log, write_version

NOW = 1_800_000_000.0


class Loop:
    def __init__(self, root, **settings):
        self.root, self.rng, self.number = root, np.random.default_rng(8), 0
        write_version(root / "models", 1, make_reference(self.rng))
        self.project = project(root, outcomes=str(root / "outcomes.sqlite"), outcome="y", **settings)
        self.outcomes = open_store(self.project.settings.outcomes)
        self.start()

    def start(self):
        """A new process: all that it knows is the state."""
        self.store = MonitorStore(self.project.state)
        self.monitor = Monitor(self.project, self.store, clock=lambda: NOW)
        self.realised = Realised(self.project, self.store, self.monitor, self.outcomes, clock=lambda: NOW)

    def ask(self, requests=100, rows=10, wrong=0.0):
        """Requests with scores as on the evaluation data; returns (id, row, label) of each prediction."""
        made, lines = [], []
        for _ in range(requests):
            self.number += 1
            labels = self.rng.random(rows) < 0.5
            scores = np.where(labels, self.rng.beta(3, 1, rows), self.rng.beta(1, 3, rows))
            labels = labels ^ (self.rng.random(rows) < wrong)
            inputs, _ = draw(self.rng, rows)
            lines.append(line(inputs, {"p": [[each] for each in scores]}, number=self.number, at=NOW + self.number))
            made += [(f"id-{self.number}", row, float(label)) for row, label in enumerate(labels)]
        write_log(self.root, lines)
        return made

    def tell(self, labels, received=NOW, name="y"):
        self.outcomes.write(
            [Outcome(request, row, "", name, "", value, NOW, False, received) for request, row, value in labels]
        )

    def step(self):
        self.monitor.step()
        self.realised.step()

    def quality(self, window=0, kind="realised"):
        return {m.metric: m for m in self.store.windows()[window].result.quality if m.kind == kind}


class Prices(Loop):
    """The same with a model that predicts a number, off by about 8."""

    def __init__(self, root, **settings):
        super().__init__(root, **settings)
        observed = self.rng.normal(100, 30, 5000)
        quality = fit_quality("p", "y", observed + self.rng.normal(0, 10, 5000), observed)
        write_version(root / "models", 2, replace(make_reference(self.rng), quality=quality))
        manifest = {"created": "2026-01-01T00:00:00+00:00", "data": {}}
        (root / "models/m/2/manifest.json").write_text(json.dumps(manifest))

    def ask(self, off=10.0, requests=100, rows=10):
        made, lines = [], []
        for _ in range(requests):
            self.number += 1
            observed = self.rng.normal(100, 30, rows)
            outputs = {"p": [[each] for each in observed + self.rng.normal(0, off, rows)]}
            inputs, _ = draw(self.rng, rows)
            lines.append(line(inputs, outputs, number=self.number, at=NOW + self.number, version=2))
            made += [(f"id-{self.number}", row, float(each)) for row, each in enumerate(observed)]
        write_log(self.root, lines)
        return made


@pytest.fixture
def loop(tmp_path):
    return Loop(tmp_path)


def test_outcomes_become_quality_with_interval_and_coverage(loop):
    labels = loop.ask()
    loop.step()
    assert loop.quality() == {}
    loop.tell(labels[:600])
    loop.step()
    accuracy, auc = loop.quality()["accuracy"], loop.quality()["auc"]
    assert (accuracy.rows, accuracy.coverage) == (600, 0.6)
    assert accuracy.low < accuracy.value < accuracy.high
    assert accuracy.high - accuracy.low == pytest.approx(2 * 1.96 * (0.875 * 0.125 / 600) ** 0.5, rel=0.15)
    assert accuracy.value == pytest.approx(accuracy.reference, abs=0.04)
    assert auc.value == pytest.approx(auc.reference, abs=0.03)
    assert not accuracy.is_worse
    loop.tell(labels[600:], NOW + 5)
    loop.step()
    assert loop.quality()["accuracy"].coverage == 1.0
    text = "\n".join(write_lines("m", loop.store.windows(), summarize(loop.store.windows()), "24h"))
    assert "accuracy       realised  0." in text
    assert ", outcomes of 100% of the rows" in text
    assert "accuracy       estimated 0." in text


def test_labels_that_change_their_meaning_are_seen_by_realised_quality_alone(loop):
    loop.tell(loop.ask(wrong=0.3))
    loop.step()
    assert loop.quality()["accuracy"].is_worse
    assert not loop.quality(kind="estimated")["accuracy"].is_worse


def test_a_regression_has_errors_with_interval_and_bound(tmp_path):
    prices = Prices(tmp_path)
    prices.tell(prices.ask()[:600])
    prices.tell(prices.ask(off=15.0), NOW + 1)
    prices.tell([("id-101", 0, "a word")], NOW + 2)
    prices.step()
    mae, rmse = (prices.quality()[name] for name in ("mae", "rmse"))
    assert (mae.rows, mae.coverage, mae.is_worse, rmse.bound) == (600, 0.6, False, None)
    assert mae.value == pytest.approx(mae.reference, rel=0.1)
    assert mae.low < mae.value < mae.high < 1.1 * mae.value
    assert rmse.value == pytest.approx(10.0, rel=0.1)
    worse = prices.quality(window=1)["mae"]
    assert (worse.rows, worse.is_worse) == (999, True)
    assert worse.reference < worse.bound < worse.value
    assert prices.quality(kind="estimated") == {}
    text = "\n".join(write_lines("m", prices.store.windows(), summarize(prices.store.windows()), "24h"))
    assert f"mae            realised  {worse.value:.4g} ({worse.low:.4g} to {worse.high:.4g}); evaluation " in text
    assert f", at most {worse.bound:.4g} expected, outcomes of 100% of the rows  WORSE" in text
    figures = write_figures("m", prices.store)
    assert f'hilir_quality{{model="m",version="2",metric="mae",kind="realised"}} {worse.value:.10g}' in figures
    assert 'hilir_quality_windows_below{model="m",version="2",metric="mae",kind="realised"} 1' in figures
    assert 'hilir_outcome_coverage{model="m",version="2"} 0.999' in figures


def test_outcomes_may_come_before_the_window_is_closed_and_be_corrected(loop):
    labels = loop.ask(requests=50)
    loop.step()
    loop.tell([(request, row, 1 - value) for request, row, value in labels])
    loop.step()
    loop.tell(labels, NOW + 1)
    loop.step()
    loop.start()
    loop.tell(loop.ask(requests=50), NOW + 2)
    loop.step()
    assert loop.quality()["accuracy"].value > 0.8
    assert loop.quality()["accuracy"].coverage == 1.0


def test_a_process_that_was_killed_before_it_measured_measures_later(loop):
    loop.tell(loop.ask())
    loop.monitor.step()
    labels = [(each.request, each.row, "1", 1.0) for each in loop.outcomes.read()]
    loop.store.add_labels(labels, NOW, 0.0)
    loop.start()
    loop.step()
    assert loop.quality()["accuracy"].coverage == 1.0


def test_unknown_ids_other_names_and_users_change_nothing_and_it_is_said_once(loop, caplog):
    labels = loop.ask()
    loop.step()
    loop.tell([("nobody", 0, 1.0), ("id-1", 99, 1.0)])
    loop.tell(labels, name="clicked")
    loop.step()
    loop.step()
    assert loop.quality() == {}
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith("none of 2 outcomes, such as 'id-1#99', belongs to a prediction in the log; ")
    loop.tell(labels[:1])
    loop.step()
    assert loop.quality()["accuracy"].rows == 1
    assert len(caplog.records) == 1


def test_few_outcomes_are_shown_and_not_judged(loop):
    labels = loop.ask(wrong=0.5)
    loop.tell(labels[:100])
    loop.step()
    accuracy = loop.quality()["accuracy"]
    assert (accuracy.rows, accuracy.bound, accuracy.is_worse) == (100, None, False)


@pytest.mark.parametrize("columns", [1, 2])
def test_classes_are_named_as_the_label_names_them(tmp_path, caplog, columns):
    """A score that is the second class's, or one of each; an outcome that is no class does not count as wrong."""
    loop = Loop(tmp_path)
    (tmp_path / "models/m/1/assets.extra/classes.json").write_text(json.dumps({"y": ["tief", "höch"]}))
    labels, lines = [], []
    for number in range(1000):
        high = loop.rng.random() < 0.5
        score = loop.rng.beta(3, 1) if high else loop.rng.beta(1, 3)
        outputs = {"p": [[1 - score, score][-columns:]], "classes": [["tief", "höch"][-columns:]]}
        lines.append(line(draw(loop.rng, 1)[0], outputs, number=number, at=NOW + number))
        words = ("höch", 1.0) if high else ("tief", 0.0)
        labels.append((f"id-{number}", 0, words[number % 2] if number % 10 else "hoch"))
    write_log(tmp_path, lines)
    loop.tell(labels)
    loop.step()
    accuracy = loop.quality()["accuracy"]
    assert (accuracy.rows, accuracy.coverage) == (900, 0.9)
    assert accuracy.value == pytest.approx(accuracy.reference, abs=0.05)
    (warning,) = [record.message for record in caplog.records if "does not count" in record.message]
    assert warning == "an outcome of y is hoch and does not count; its values are tief, höch"


@pytest.mark.parametrize("value", ["yes", 2.0, 0.5, float(10**300)])
def test_what_is_no_class_of_a_label_of_numbers_does_not_count(loop, caplog, value):
    labels = loop.ask()
    loop.tell([*labels[:500], *((request, row, value) for request, row, _ in labels[500:])])
    loop.step()
    assert loop.quality()["accuracy"].rows == 500
    assert not loop.quality()["accuracy"].is_worse
    assert [record.message for record in caplog.records if "its values are numbers from 0" in record.message]


def test_predictions_are_forgotten_after_the_days_that_outcomes_may_take(tmp_path):
    loop = Loop(tmp_path, outcome_days=1.0)
    labels = loop.ask()
    loop.step()
    loop.realised = Realised(loop.project, loop.store, loop.monitor, loop.outcomes, clock=lambda: NOW + 2 * 86_400)
    loop.step()
    loop.tell(labels, time.time())
    loop.step()
    assert loop.quality() == {}


def test_without_outcomes_no_predictions_are_kept(tmp_path):
    loop = Loop(tmp_path)
    loop.project = project(tmp_path)
    loop.start()
    loop.ask()
    loop.monitor.step()
    assert loop.store.labelled(1) == []
    assert (tmp_path / "state/m/monitor.sqlite").stat().st_size < 200_000


def test_golden_requests_do_not_count(loop):
    inputs, outputs = draw(loop.rng, 1000)
    write_log(loop.root, [line(inputs, outputs, request_id="hilir-golden-1")])
    loop.step()
    assert loop.store.windows() == []
    assert loop.store.totals()["golden"] == 1
