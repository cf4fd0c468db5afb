"""What the daemon decided and why: one JSON object, or lines for a person."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.daemon.watcher import is_watched

_RUNS = 10
_DECISIONS = 20


def describe(state: State) -> dict[str, Any]:
    """Returns the daemon, the triggers, the latest runs with their reasons, and the latest decisions; times in s."""
    watched = is_watched(state.folder)
    with state.view() as connection:
        watcher = connection.execute("SELECT pid, began, beat, address FROM watcher").fetchone()
        return {
            "watching": watched,
            "watcher": dict(watcher) if watcher is not None else None,
            "triggers": _rows(connection, "SELECT name, looked, note, hold FROM memory ORDER BY name"),
            "runs": [_run(connection, row) for row in _latest(connection, "run", _RUNS)],
            "decisions": [
                {"at": row["at"], "text": row["text"]} for row in _latest(connection, "decision", _DECISIONS)
            ],
        }


def write_lines(status: dict[str, Any], config: str, now: float | None = None) -> Iterator[str]:
    """Yields what `describe` found as lines; `config` is what the user typed."""
    now = time.time() if now is None else now
    watcher = status["watcher"]
    if status["watching"] and watcher:
        where = f", calls to {watcher['address']}" if watcher["address"] else ""
        yield f"watching since {_when(watcher['began'])} (process {watcher['pid']}{where})"
    else:
        yield f"nobody is watching; type 'hilir watch {config}'"
    if status["triggers"]:
        yield ""
    for trigger in status["triggers"]:
        yield f"  {trigger['name']:<7} {trigger['note']} (looked {_ago(now - trigger['looked'])})"
    for run in reversed(status["runs"]):
        yield ""
        yield f"  run {run['id']}: {_outcome(run)}"
        for firing in run["firings"]:
            yield f"    because  {_when(firing['at'])}  {firing['what']}: {firing['why']}"
        for attempt in run["attempts"]:
            yield f"    attempt  {_when(attempt['began'])}  {_attempt(attempt, now)}"
    if status["decisions"]:
        yield ""
    for decision in reversed(status["decisions"]):
        yield f"  {_when(decision['at'])}  {decision['text']}"


def _run(connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    firings = connection.execute("SELECT at, payload, decision FROM firing WHERE run = ? ORDER BY id", (row["id"],))
    attempts = _rows(
        connection,
        "SELECT number, state, began, ended, pid, code, result FROM attempt WHERE run = ? ORDER BY number",
        row["id"],
    )
    for attempt in attempts:
        attempt["result"] = json.loads(attempt["result"]) if attempt["result"] else None
    return dict(row) | {
        "firings": [
            {"at": each["at"], **json.loads(each["payload"]), "decision": each["decision"]} for each in firings
        ],
        "attempts": attempts,
    }


def _outcome(run: dict[str, Any]) -> str:
    state: str = run["state"]
    if state == "waiting":
        return str(run["note"]) or state
    # Of a run that came to its end, the note says that its model is not blessed.
    return "underway" if state == "active" else str(run["note"]) or state


def _attempt(attempt: dict[str, Any], now: float) -> str:
    seconds = max(0.0, (attempt["ended"] or now) - attempt["began"])
    process = f" as process {attempt['pid']}" if attempt["pid"] and not attempt["ended"] else ""
    text = f"{attempt['state']}{process}, {seconds:.0f} s"
    if attempt["code"]:
        text += f", exit code {attempt['code']}"
    result = attempt["result"] or {}
    if result.get("run_id"):
        text += f", hilir runs show {result['run_id']}"
    if result.get("version") is not None:
        text += f", version {result['version']}"
    elif result.get("blessed") is False:
        text += ", not blessed"
    for reason in result.get("reasons") or []:
        text += f"\n             {str(reason).splitlines()[0]}"
    return text


def _rows(connection: sqlite3.Connection, query: str, *values: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query, values)]


def _latest(connection: sqlite3.Connection, table: str, number: int) -> list[sqlite3.Row]:
    query = f"SELECT * FROM {table} ORDER BY id DESC LIMIT {number}"  # noqa: S608 - names and numbers of this module
    return connection.execute(query).fetchall()


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}"


def _ago(seconds: float) -> str:
    if seconds < -1:
        return "by a clock that was ahead of this one"
    shown = (
        f"{max(0.0, seconds):.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
    return f"{shown} ago"
