"""How long a step has been held when the clock was set meanwhile."""

from datetime import UTC, datetime, timedelta

import pytest

from hilir.serving.release.factory import open_transaction
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.releases.state import State, Version
from hilir.serving.rollout.engine import Runner


@pytest.mark.parametrize("days", [3, -3])
def test_a_step_that_began_in_the_future_lasts_no_longer_than_a_new_one(tmp_path, days):
    since = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="milliseconds")
    store = Store(tmp_path)
    for number in (1, 2):
        (tmp_path / "m" / str(number)).mkdir(parents=True)
    rollout = Rollout(version=2, steps=(50.0,), hold_seconds=0.3, since=since)
    state = State(
        model="m",
        served_root=str(tmp_path),
        versions={1: Version(manifest="a"), 2: Version(manifest="b")},
        labels={"stable": 1, "candidate": 2},
        split={"stable": 50.0, "candidate": 50.0},
        rollout=rollout,
    )
    store.write(state)
    lines = []
    transaction = open_transaction(store, "m", echo=lines.append, offline=True)
    runner = Runner(transaction, stage=lambda _version: state, count=None, every=0.05)
    assert runner.run(rollout).rollout is None
    assert lines[-1] == "m: done: version 2 stays at 50 %; promote or abort it"
