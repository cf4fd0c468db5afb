"""Experiments and drift on the dashboard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from hilir.pipeline.dashboard.actions import Targets
from hilir.pipeline.dashboard.security import Guard
from hilir.pipeline.dashboard.server import make_server
from hilir.pipeline.dashboard.workplace import Workplace
from hilir.serving.gateway.gateway_files import write_gateway
from hilir.serving.gateway.settings import GatewaySettings
from hilir.serving.monitor.window import FeatureResult, WindowResult
from hilir.serving.monitor.window_store import MonitorStore, Step
from hilir.serving.outcomes.backends import open_store
from hilir.serving.outcomes.outcome_records import Outcome
from hilir.serving.releases.experiments import Experiment
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.split import CANDIDATE, choose_label, hash_key
from hilir.serving.releases.state import Event, State, Version

START = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
EXPERIMENT = Experiment(
    id="colour-3", name="colour", stable=1, candidate=2, percent=50, planned=2000, metrics=("proportion:bought",),
    window_seconds=3600.0, least_days=0, started="2026-11-01T00:00:00+00:00",
)  # fmt: skip


@pytest.fixture
def place(workplace: Workplace, tmp_path: Path) -> Workplace:
    return replace(workplace, monitors=(tmp_path / "monitor",), outcomes=str(tmp_path / "outcomes.sqlite"))


@pytest.fixture
def address(place: Workplace) -> Iterator[str]:
    with make_server(("127.0.0.1", 0), place, Guard(), Targets()) as server:
        yield server.url


@pytest.fixture
def released(place: Workplace, add_version: Callable[..., Path]) -> Store:
    for number in (1, 2):
        add_version("taxi", number)
    store = Store(place.roots[0])
    event = Event(
        at="2026-11-01T00:00:00Z", verb="experiment", version=2, stable=1, candidate=2, percent=0, actor="<ada>"
    )
    versions = {1: Version(manifest="a"), 2: Version(manifest="b", approved_by="bo")}
    store.write(
        State(
            model="taxi", served_root="/models", versions=versions, labels={"stable": 1, "candidate": 2},
            split={"stable": 100.0}, experiments=(EXPERIMENT,), approval="required", history=(event,),
        )
    )  # fmt: skip
    return store


def collect(place: Workplace, store: Store, users: int = 600) -> tuple[float, float]:
    """Writes what the gateway logged and what the users did, and returns the share of buyers in both arms."""
    log = Path(place.outcomes).parent / "access.log"
    outcomes, lines = [], []
    counts = {True: [0, 0], False: [0, 0]}
    for number in range(users):
        key, at = f"user-{number}", START + number * 60
        label = choose_label(EXPERIMENT.id, key, 50)
        is_candidate = label == CANDIDATE
        lines.append(
            {
                "model": "taxi", "label": label, "path": "/v1/models/taxi:predict", "request_id": f"r-{number}",
                "time": datetime.fromtimestamp(at, UTC).isoformat(), "version": "2" if is_candidate else "1",
                "user": "", "experiment": EXPERIMENT.id, "experiment_user": f"{hash_key(EXPERIMENT.id, key):08x}",
                "status": 200, "latency_ms": 5.0,
            }
        )  # fmt: skip
        has_bought = number % 10 < (8 if is_candidate else 4)
        counts[is_candidate][has_bought] += 1
        if has_bought:
            outcomes.append(Outcome(f"r-{number}", 0, "", "bought", "", 1.0, at + 60, True, at + 60))
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    write_gateway(store, GatewaySettings(access_log=str(log)))
    opened = open_store(place.outcomes)
    opened.write(outcomes)
    opened.close()
    return counts[False][1] / sum(counts[False]), counts[True][1] / sum(counts[True])


def get(url: str, code: int = 200) -> str:
    answer = requests.get(url, timeout=30)
    assert answer.status_code == code, answer.text
    return answer.text


def test_nothing_has_been_tried_yet(address: str) -> None:
    assert "No experiment has been started" in get(f"{address}/experiments")
    assert "No monitor has run" in get(f"{address}/drift")
    assert "there is no such experiment" in get(f"{address}/experiments/taxi/none", 404)


def test_an_experiment_shows_its_conclusion_and_its_sequence(address: str, place: Workplace, released: Store) -> None:
    assert 'href="/experiments/taxi/colour-3"' in get(f"{address}/experiments")
    before = get(f"{address}/experiments/taxi/colour-3")
    assert "there are no outcomes" in before
    assert not Path(place.outcomes).exists()
    shares = collect(place, released)
    page = get(f"{address}/experiments/taxi/colour-3")
    assert f"{shares[0]:.2%}".replace("%", " %") in page
    assert f"{shares[1]:.2%}".replace("%", " %") in page
    assert "better</td>" in page
    assert "Next: hilir experiment stop, then hilir release promote." in page
    assert ">points</text>" in page
    assert 'aria-label="Difference in ' in page


def test_versions_name_who_did_what_and_the_approval(address: str, released: Store) -> None:
    page = get(f"{address}/versions")
    assert "A version needs approval before it gets traffic." in page
    assert "approved by bo" in page
    assert "&lt;ada&gt;" in page
    assert 'Experiment: <a href="/experiments/taxi/colour-3">colour</a>' in page


def test_a_run_that_was_removed_is_named_and_not_linked(
    address: str, released: Store, add_run: Callable[..., Path]
) -> None:
    del released
    assert '<td class="word">taxi-20261126-010203</td>' in get(f"{address}/versions")
    add_run("taxi-20261126-010203")
    assert '<a href="/runs/taxi-20261126-010203">taxi-20261126-010203</a>' in get(f"{address}/versions")


def test_windows_of_drift_are_listed_the_newest_first(address: str, place: Workplace) -> None:
    def window(number: int, level: str, size: float) -> WindowResult:
        feature = FeatureResult(
            "feature", "<fare>", level, "distribution", size, 0.0, "now 1 to 9", 1000, 0, 0, 0, None, None
        )
        first = START + number * 3600
        return WindowResult(first, first + 3599, 1000, 500, level, [feature])

    store = MonitorStore(place.monitors[0] / "taxi")
    windows = [(1, window(0, "none", 0.001), []), (1, window(1, "alarm", 0.2), [])]
    store.write(Step({}, (), {}, windows, {}, {}), START, 100)
    page = get(f"{address}/drift")
    assert page.index("2026-11-01 01:00 to 01:59") < page.index("2026-11-01 00:00 to 00:59")
    assert "&lt;fare&gt; (distribution)" in page
    assert "1 of 2" in page
    assert '<data value="0.2" data-value="0.2">0.2</data>' in page
    assert "size of &lt;fare&gt; by window" in page
