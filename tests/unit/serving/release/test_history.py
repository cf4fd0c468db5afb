"""Who did what, and what was in force at a moment."""

import json

import pytest

from hilir.serving.errors import ReleaseRefused, ServingConfigError
from hilir.serving.release import transitions as t
from hilir.serving.release.state_listing import history_lines, read_moment
from hilir.serving.releases.actor import find_actor, make_printable
from hilir.serving.releases.release_store import Store
from tests.unit.serving.release.test_transitions import ready


@pytest.fixture
def store(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    store = Store(tmp_path)
    state = store.read("m")
    for version, day in ((1, 10), (2, 12)):
        at = f"2026-01-{day}T12:00:00.000+00:00"
        state = t.record(t.stage(ready(state, version), version), "stage", version, at, "", "ann@desk")
        state = t.record(t.promote(state), "promote", version, at, f"day {day}", "bob@desk")
    store.write(state)
    return store


def test_an_event_says_who(store):
    lines = list(history_lines(store, "m", as_json=False))
    assert lines[1].endswith("promote 1: stable 1; traffic: version 1 100 %; by bob@desk  day 10")
    (first, *_) = history_lines(store, "m", as_json=True)
    assert json.loads(first)["actor"] == "ann@desk"


@pytest.mark.parametrize(
    ("at", "version"),
    [
        ("2026-01-10", 1),
        ("2026-01-11", 1),
        ("2026-01-12T11:59", 1),
        ("2026-01-12T13:30+01:00", 2),
        ("2026-01-12", 2),
        ("20260112", 2),
    ],
)
def test_history_at_a_date_is_what_was_in_force(store, at, version):
    (line,) = history_lines(store, "m", as_json=False, at=at)
    assert f"promote {version}: stable {version}" in line


def test_a_date_before_the_first_event_is_refused(store):
    with pytest.raises(ReleaseRefused, match=r"released at 2026-01-09T23.*first event is of 2026-01-10"):
        list(history_lines(store, "m", as_json=False, at="2026-01-09"))
    with pytest.raises(ServingConfigError, match="not a date; write one like 2026-11-25"):
        read_moment("yester\x1bday")


def test_the_actor_is_named_by_the_environment_the_token_or_the_system(monkeypatch):
    monkeypatch.delenv("HILIR_ACTOR", raising=False)
    assert find_actor("/run/secrets/release-bot.txt") == "token release-bot"
    user, _, host = find_actor().partition("@")
    assert user
    assert host
    monkeypatch.setenv("HILIR_ACTOR", "  Jörg \x1b[31m\n Müller ")
    assert find_actor("/x") == "Jörg [31m Müller"
    assert make_printable("a\x00\x07b\u202ec") == "a b c"
    assert make_printable("x" * 300) == "x" * 199 + "…"


def test_a_version_is_approved_by_somebody_who_did_not_stage_it():
    state = t.require_approval(ready(t.State(model="m", served_root="/"), 1), "required")
    state = t.record(t.stage(state, 1), "stage", 1, "2026-01-01T00:00:00+00:00", "", "ann@desk")
    with pytest.raises(ReleaseRefused, match="version 1 needs the approval of somebody who did not stage it"):
        t.promote(state)
    with pytest.raises(ReleaseRefused, match="ann@desk staged version 1 and cannot approve it too"):
        t.approve(state, 1, "ann@desk")
    state = t.approve(state, 1, "bob@desk")
    assert t.approve(state, 1, "eve@desk") == state, "the first approval counts"
    assert t.promote(state).stable == 1
    assert t.add_loaded(state, 1, "hash1").versions[1].approved_by == "bob@desk"
    assert t.add_loaded(state, 1, "other files").versions[1].approved_by == ""
