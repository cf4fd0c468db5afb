"""A report from the files that a release, a gateway and a taker of outcomes have written."""

import json
from datetime import UTC, datetime

import pytest

from hilir.serving.errors import ServingConfigError
from hilir.serving.experiment import experiment_transitions
from hilir.serving.experiment.report.sources import analyse_experiment
from hilir.serving.outcomes.backends import open_store
from hilir.serving.outcomes.outcome_records import parse_outcome
from hilir.serving.release import transitions as t
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.split import choose_label, hash_key
from hilir.serving.releases.state import State
from tests.unit.serving.experiment.people import HOUR, START, experiment


def at(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).isoformat(timespec="milliseconds")


@pytest.fixture
def place(tmp_path):
    """A model in an experiment of an hour: the store, the access log, the outcomes."""
    store = Store(tmp_path)
    (tmp_path / "m").mkdir()
    state = State(model="m", served_root=str(tmp_path))
    for number in (1, 2):
        state = t.verify(t.add_loaded(state, number, "hash"), number)
    state = t.record(t.promote(t.stage(state, 1)), "promote", 1, at(-10), "")
    state = t.record(experiment_transitions.start(t.stage(state, 2), experiment()), "experiment-start", 2, at(0), "")
    store.write(state)
    log, outcomes = tmp_path / "access.log", tmp_path / "outcomes.sqlite"
    lines, batch = [], []
    for number in range(90):
        key, seconds = f"user-{number}", number * 60.0
        label = choose_label("colour-3", key, 50)
        entry = {
            "time": at(seconds), "request_id": f"r-{number}", "path": "/v1/models/m:predict", "model": "m",
            "version": "1", "label": label, "experiment": "colour-3", "latency_ms": 5, "status": 200,
            "experiment_user": f"{hash_key('colour-3', key):08x}",
        }  # fmt: skip
        lines.append(json.dumps(entry) + "\n")
        batch.append(parse_outcome({"id": f"r-{number}", "name": "bought", "value": 1, "time": at(seconds)}, "", 2e9))
    log.write_text("".join(lines))
    opened = open_store(str(outcomes))
    opened.write(batch)
    opened.close()
    return store, [str(log)], str(outcomes)


def test_users_count_when_their_window_is_over_and_not_after_the_end(place):
    store, logs, outcomes = place
    found = analyse_experiment(store, "m", None, logs, (), outcomes, lambda: START + 2 * HOUR)
    assert (sum(found.users), sum(found.counted), found.coverage.with_outcome) == (90, 61, 90)
    found = analyse_experiment(store, "m", "colour", logs, (), outcomes, lambda: START + 9 * HOUR)
    assert sum(found.counted) == 90
    state = store.read("m")
    store.write(t.record(t.abort(state), "abort", 2, at(1.5 * HOUR), ""))
    found = analyse_experiment(store, "m", "colour", logs, (), outcomes, lambda: START + 9 * HOUR)
    assert (sum(found.counted), found.days) == (31, 1.5 / 24)
    assert found.experiment.ended_by == "abort"


def test_what_is_missing_is_named(place, tmp_path):
    store, logs, outcomes = place
    with pytest.raises(ServingConfigError, match="there is no experiment size; there are: colour"):
        analyse_experiment(store, "m", "size", logs, (), outcomes)
    with pytest.raises(ServingConfigError, match=r"none\.sqlite: there are no outcomes; name their place"):
        analyse_experiment(store, "m", None, logs, (), str(tmp_path / "none.sqlite"))
    with pytest.raises(ServingConfigError, match="there is no gateway; name its access log with --access-log FILE"):
        analyse_experiment(store, "m", None, (), (), outcomes)
    with pytest.raises(ServingConfigError, match=r"log\.jsonl: there is no such request log"):
        analyse_experiment(store, "m", None, logs, (str(tmp_path / "log"),), outcomes)
