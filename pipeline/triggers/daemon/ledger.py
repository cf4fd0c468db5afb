"""The transactions of the daemon: a look, the start of a run, its end."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hilir.pipeline.triggers.daemon.daemon_state import State, note_decision
from hilir.pipeline.triggers.daemon.firing_policy import (
    DAY,
    NOT_BLESSED,
    Ended,
    Gate,
    Limits,
    Waiting,
    find_gate,
    find_outcome,
    is_final,
    place,
)
from hilir.pipeline.triggers.sources.payload import Firing, Observation, Payload

_CONSIDERED = 100


@dataclass(frozen=True)
class Attempt:
    """One try of one run; `code` is its exit code when it is over."""

    run: int
    number: int
    state: str
    began: float
    code: int | None = None

    @property
    def outcome(self) -> str:
        """How it ended, for a person."""
        return "not blessed" if self.code == NOT_BLESSED else self.state

    @property
    def label(self) -> str:
        """The name of its files."""
        return f"{self.run}-{self.number}"


@dataclass(frozen=True)
class PushedVersion:
    """A version that a run pushed and that is to be released; `tries` were made so far."""

    run: int
    version: int
    tries: int


def record_look(state: State, name: str, look: Observation, limits: Limits, now: float) -> list[Firing]:
    """Writes down what a trigger found; firings that are known already change nothing. Returns the new ones."""
    with state.change() as connection:
        new = [firing for firing in look.firings if _record_firing(connection, firing, limits, now)]
        connection.execute(
            "INSERT INTO memory (name, memory, looked, note, hold) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE "
            "SET memory = excluded.memory, looked = excluded.looked, note = excluded.note, hold = excluded.hold",
            (name, json.dumps(dict(look.memory)), now, look.note, look.hold),
        )
    return new


def record_failed_look(state: State, name: str, reason: str, now: float) -> None:
    """Writes down that a trigger could not look; what it remembers stays."""
    with state.change() as connection:
        connection.execute(
            "INSERT INTO memory (name, memory, looked, note) VALUES (?, '{}', ?, ?) ON CONFLICT (name) DO UPDATE "
            "SET looked = excluded.looked, note = excluded.note, hold = NULL",
            (name, now, f"cannot look: {reason}"),
        )


def forget_triggers(state: State, names: Sequence[str]) -> None:
    """Removes what triggers other than these hold against runs: they are not in the configuration any more."""
    with state.change() as connection:
        marks = ",".join("?" for _ in names)
        connection.execute(f"UPDATE memory SET hold = NULL WHERE name NOT IN ({marks})", tuple(names))  # noqa: S608


def find_ready(state: State, limits: Limits, clock: Callable[[], float]) -> bool:
    """Returns whether a run may start; records the reason why a waiting one may not."""
    with state.change() as connection:
        return _ready(connection, limits, clock()) is not None


def start_next(state: State, limits: Limits, clock: Callable[[], float]) -> Attempt | None:
    """Marks the first waiting run as starting and returns the attempt, or None if none may begin.

    The clock (seconds since 1970) is read when nobody else can write any more: by an earlier time, a run that another
    thread has just written down would have to wait.
    """
    with state.change() as connection:
        now = clock()
        run = _ready(connection, limits, now)
        if run is None:
            return None
        number = run.attempts + 1
        connection.execute(
            "INSERT INTO attempt (run, number, state, began) VALUES (?, ?, 'starting', ?)", (run.id, number, now)
        )
        connection.execute("UPDATE run SET state = 'active', note = '' WHERE id = ?", (run.id,))
        note_decision(connection, now, f"run {run.id} starts" + (f", attempt {number}" if number > 1 else ""))
        return Attempt(run.id, number, "starting", now)


def find_open(state: State) -> Attempt | None:
    """Returns the attempt that is starting or running."""
    with state.view() as connection:
        row = connection.execute("SELECT * FROM attempt WHERE state IN ('starting', 'running')").fetchone()
    return None if row is None else Attempt(row["run"], row["number"], row["state"], row["began"])


def claim(state: State, run: int, number: int, pid: int) -> bool:
    """Makes a starting attempt the caller's own; returns False where somebody else has it."""
    with state.change() as connection:
        done = connection.execute(
            "UPDATE attempt SET state = 'running', pid = ? WHERE run = ? AND number = ? AND state = 'starting'",
            (pid, run, number),
        )
        return done.rowcount == 1


def end_attempt(state: State, run: int, number: int, code: int | None, result: str | None, now: float) -> None:
    """Writes down how an open attempt ended; does nothing where that is known.

    Args:
        state: the state.
        run: the run.
        number: its attempt.
        code: the exit code; None where the process died unseen.
        result: the JSON object that the process printed last.
        now: seconds since 1970.
    """
    outcome = find_outcome(code)
    with state.change() as connection:
        connection.execute(
            "UPDATE attempt SET state = ?, ended = ?, code = ?, result = ? "
            "WHERE run = ? AND number = ? AND state IN ('starting', 'running')",
            (outcome, now, code, result, run, number),
        )


def settle(state: State, limits: Limits, now: float, *, released: bool = False) -> list[Attempt]:
    """Decides what becomes of the runs whose attempt is over; returns those attempts.

    With `released`, a version that a run pushed waits for its release (`find_pushed`).
    """
    with state.change() as connection:
        rows = connection.execute(
            "SELECT a.* FROM run r JOIN attempt a ON a.run = r.id "
            "AND a.number = (SELECT max(number) FROM attempt WHERE run = r.id) "
            "WHERE r.state = 'active' AND a.state NOT IN ('starting', 'running')"
        ).fetchall()
        for row in rows:
            _settle(connection, row, limits, now)
            if released and row["state"] == "succeeded":
                _note_pushed(connection, row, now)
    return [Attempt(row["run"], row["number"], row["state"], row["began"], row["code"]) for row in rows]


def find_pushed(state: State, now: float) -> PushedVersion | None:
    """Returns the newest version that waits for its release; older ones are passed over, since it replaces them."""
    with state.view() as connection:
        row = connection.execute(
            "SELECT * FROM pushed WHERE run = (SELECT max(run) FROM pushed) AND due IS NOT NULL AND due <= ?", (now,)
        ).fetchone()
    return None if row is None else PushedVersion(row["run"], row["version"], row["tries"])


def end_follow_up(state: State, run: int, again: float | None, text: str, now: float) -> None:
    """Writes down how a try to release a run's version ended, and when there is another; None for never."""
    with state.change() as connection:
        connection.execute("UPDATE pushed SET tries = tries + 1, due = ? WHERE run = ?", (again, run))
        note_decision(connection, now, text)


def read_payloads(state: State, run: int) -> list[Payload]:
    """Returns why a run was made: the payloads of its firings, the first one first."""
    with state.view() as connection:
        rows = connection.execute("SELECT payload FROM firing WHERE run = ? ORDER BY id", (run,)).fetchall()
    return [Payload.from_dict(json.loads(row["payload"])) for row in rows]


def _record_firing(connection: sqlite3.Connection, firing: Firing, limits: Limits, now: float) -> bool:
    if connection.execute("SELECT 1 FROM firing WHERE key = ?", (firing.key,)).fetchone():
        return False
    placement = place(now, _waiting(connection), _active(connection), limits)
    run = placement.run
    if run is not None:
        connection.execute("UPDATE run SET due = ? WHERE id = ?", (placement.due, run))
    elif not placement.skip:
        run = connection.execute(
            "INSERT INTO run (state, made, due) VALUES ('waiting', ?, ?)", (now, placement.due)
        ).lastrowid
    text = placement.text if placement.run is not None or placement.skip else f"run {run} is made"
    connection.execute(
        "INSERT INTO firing (key, at, payload, run, decision) VALUES (?, ?, ?, ?, ?)",
        (firing.key, now, json.dumps(firing.payload.as_dict()), run, text),
    )
    note_decision(connection, now, f"{firing.payload.what}: {firing.payload.why}: {text}")
    return True


def _settle(connection: sqlite3.Connection, row: sqlite3.Row, limits: Limits, now: float) -> None:
    run, number, code = row["run"], row["number"], row["code"]
    note = "not blessed" if code == NOT_BLESSED else ""
    if row["state"] == "succeeded":
        to, text = "succeeded", f"run {run} {note or 'succeeded'}"
    else:
        how = "its process died" if code is None else f"exit code {code}"
        final = is_final(code, number, limits)
        to = "waiting" if final is None else "failed"
        text = f"run {run}: attempt {number} failed ({how})" + (f"; given up: {final}" if final else "")
    connection.execute("UPDATE run SET state = ?, note = ? WHERE id = ?", (to, note, run))
    note_decision(connection, now, text)


def _note_pushed(connection: sqlite3.Connection, row: sqlite3.Row, now: float) -> None:
    version = json.loads(row["result"]).get("version") if row["result"] else None
    if isinstance(version, int) and row["code"] != NOT_BLESSED:
        values = (row["run"], version, now)
        connection.execute(
            "INSERT INTO pushed (run, version, due) VALUES (?, ?, ?) ON CONFLICT (run) DO NOTHING", values
        )


def _ready(connection: sqlite3.Connection, limits: Limits, now: float) -> Waiting | None:
    waiting = [] if _active(connection) is not None else _waiting(connection)
    if not waiting:
        return None
    run = waiting[0]
    gate = find_gate(now, run, _starts(connection, now), _ended(connection), _holds(connection), limits)
    if gate is None:
        return run
    _note_gate(connection, run, gate, now)
    return None


def _note_gate(connection: sqlite3.Connection, run: Waiting, gate: Gate, now: float) -> None:
    from datetime import datetime

    until = f"until {datetime.fromtimestamp(gate.until).astimezone():%Y-%m-%d %H:%M:%S}: " if gate.until else ""
    note = f"waits {until}{gate.reason}"
    (before,) = connection.execute("SELECT note FROM run WHERE id = ?", (run.id,)).fetchone()
    if note != before:
        connection.execute("UPDATE run SET note = ? WHERE id = ?", (note, run.id))
        note_decision(connection, now, f"run {run.id} {note}")


def _active(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT id FROM run WHERE state = 'active'").fetchone()
    return None if row is None else int(row["id"])


def _waiting(connection: sqlite3.Connection) -> list[Waiting]:
    rows = connection.execute(
        "SELECT id, made, due, (SELECT count(*) FROM attempt WHERE run = id) AS attempts "
        "FROM run WHERE state = 'waiting' ORDER BY id"
    ).fetchall()
    return [Waiting(row["id"], row["made"], row["due"], row["attempts"]) for row in rows]


def _starts(connection: sqlite3.Connection, now: float) -> list[float]:
    rows = connection.execute("SELECT began FROM attempt WHERE began > ? ORDER BY began", (now - DAY,))
    return [row["began"] for row in rows]


def _ended(connection: sqlite3.Connection) -> list[Ended]:
    rows = connection.execute(
        "SELECT state, ended FROM attempt WHERE ended IS NOT NULL ORDER BY rowid DESC LIMIT ?", (_CONSIDERED,)
    )
    return [Ended(row["state"], row["ended"]) for row in rows]


def _holds(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT hold FROM memory WHERE hold IS NOT NULL ORDER BY name")
    return [row["hold"] for row in rows]
