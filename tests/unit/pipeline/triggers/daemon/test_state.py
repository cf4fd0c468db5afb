"""The state: durable, shared by processes, and clear about what it cannot read."""

import sqlite3
import threading

import pytest

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.triggers.daemon import ledger
from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.daemon.watcher import alone, is_watched, prune
from hilir.pipeline.triggers.sources.payload import Firing, Observation, Payload, Span
from tests.unit.pipeline.triggers.conftest import LIMITS


def test_a_payload_survives_the_state(tmp_path):
    payload = Payload("data", "span 7 is complete", (Span(6), Span(7, 2)))
    state = State(tmp_path)
    ledger.record_look(state, "data", Observation((Firing("k", payload),), {}, ""), LIMITS, 0)
    assert ledger.read_payloads(State(tmp_path), 1) == [payload]


def test_what_a_look_found_and_what_it_remembers_are_one_transaction(tmp_path):
    state = State(tmp_path)
    look = Observation((Firing("k", Payload("cron", "x")),), {"unserializable": object()}, "")
    with pytest.raises(TypeError):
        ledger.record_look(state, "cron", look, LIMITS, 0)
    assert state.read_memory("cron") is None
    with state.view() as connection:
        assert connection.execute("SELECT count(*) FROM firing").fetchone()[0] == 0


def test_two_open_attempts_cannot_be_written_down(tmp_path):
    state = State(tmp_path)
    with state.change() as connection:
        connection.execute("INSERT INTO run (id, state, made, due) VALUES (1, 'active', 0, 0), (2, 'active', 0, 0)")
        connection.execute("INSERT INTO attempt (run, number, state, began) VALUES (1, 1, 'running', 0)")
    with pytest.raises(sqlite3.IntegrityError), state.change() as connection:
        connection.execute("INSERT INTO attempt (run, number, state, began) VALUES (2, 1, 'starting', 0)")


def test_calls_of_many_threads_are_all_there_once(tmp_path):
    state = State(tmp_path)
    keys = [str(number % 20) for number in range(100)]
    threads = [threading.Thread(target=state.add_call, args=(key, Payload("call", "x"), 0.0)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(call.key for call in state.list_calls(after=0)) == sorted(set(keys))


def test_a_state_of_a_newer_version_is_refused(tmp_path):
    with State(tmp_path).change() as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="was written by a newer hilir"):
        State(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "state.sqlite").write_text("no database, " * 100)
    with pytest.raises(ConfigError, match="cannot be opened"):
        State(tmp_path)


def test_one_watcher_at_a_time(tmp_path):
    assert not is_watched(tmp_path)
    with alone(tmp_path):
        assert is_watched(tmp_path)
        with pytest.raises(ConfigError, match="another watcher"), alone(tmp_path):
            pass
    assert not is_watched(tmp_path)


def test_the_output_of_old_runs_is_removed(tmp_path):
    state = State(tmp_path)
    (tmp_path / "runs").mkdir()
    for run in range(1, 302):
        (tmp_path / "runs" / f"{run}-1.out").touch()
    prune(state)
    kept = sorted(int(file.name.partition("-")[0]) for file in (tmp_path / "runs").iterdir())
    assert (kept[0], kept[-1], len(kept)) == (102, 301, 200)
