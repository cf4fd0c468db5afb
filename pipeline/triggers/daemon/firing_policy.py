"""What becomes of a firing, and when a run may begin: pure functions of the state and the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hilir.pipeline.triggers.sources.payload import CLOCK_MOVED

DAY = 86_400.0
# Firings that keep coming put a run off, but not for ever.
_MOST_DEBOUNCES = 10
_MOST_WAITING = 100
# Usage and configuration: the same command ends the same way until somebody fixes something.
_LASTING_CODES = (2, 3)
NOT_BLESSED = 6
"""Exit code of a complete run whose model is not blessed (`hilir.pipeline.cli.exits`): an answer, and no failure."""


@dataclass(frozen=True)
class Limits:
    """The rules of `watch` in the configuration; times in seconds."""

    queue: Literal["merge", "each", "skip"]
    debounce: float
    runs_a_day: int
    backoff: float
    backoff_factor: float
    max_backoff: float
    attempts: int


@dataclass(frozen=True)
class Waiting:
    """A run that has not started, or waits for its next attempt."""

    id: int
    made: float
    due: float
    attempts: int


@dataclass(frozen=True)
class Ended:
    """An attempt that is over. `lost`: its process died without a result."""

    state: Literal["succeeded", "failed", "lost"]
    ended: float


@dataclass(frozen=True)
class Placement:
    """Where a firing goes: into the waiting run `run`, into a new run (None), or nowhere (`skip`)."""

    run: int | None
    due: float
    text: str
    skip: bool = False


@dataclass(frozen=True)
class Gate:
    """Why a run does not begin now, and until when; `until` is None where nobody can say."""

    reason: str
    until: float | None


def place(now: float, waiting: Sequence[Waiting], active: int | None, limits: Limits) -> Placement:
    """Decides what becomes of a firing.

    Args:
        now: seconds since 1970.
        waiting: the runs that wait, in the order in which they will begin.
        active: the run that is underway.
        limits: the rules.
    """
    last = waiting[-1] if waiting else None
    if active is not None and limits.queue == "skip":
        return Placement(None, now, f"skipped: run {active} is underway, and watch.queue is 'skip'", skip=True)
    if last is not None and (limits.queue != "each" or (last.attempts == 0 and now < last.due)):
        latest = last.made + _MOST_DEBOUNCES * limits.debounce
        due = last.due if last.attempts else max(last.due, min(now + limits.debounce, latest))
        return Placement(last.id, due, f"joins run {last.id}, which has not started")
    if len(waiting) >= _MOST_WAITING:
        return Placement(None, now, f"skipped: {len(waiting)} runs are waiting already", skip=True)
    return Placement(None, now + limits.debounce, "a new run")


def find_gate(
    now: float, run: Waiting, starts: Sequence[float], ended: Sequence[Ended], holds: Sequence[str], limits: Limits
) -> Gate | None:
    """Returns what keeps the run from beginning, None if nothing does.

    Args:
        now: seconds since 1970.
        run: the first of those that wait.
        starts: when attempts began in the last 24 hours, the oldest first.
        ended: the attempts that are over, the newest first.
        holds: what triggers have against any run.
        limits: the rules.

    Times that lie ahead, since the clock was set back, keep nothing from beginning.
    """
    starts = [start for start in starts if start <= now + CLOCK_MOVED]
    if now < run.due and run.made <= now + CLOCK_MOVED:
        return Gate("more reasons may come (watch.debounce_seconds)", run.due)
    if holds:
        return Gate("; ".join(holds), None)
    if len(starts) >= limits.runs_a_day:
        text = f"{len(starts)} runs started in the last 24 hours, and watch.runs_a_day is {limits.runs_a_day}"
        return Gate(text, starts[len(starts) - limits.runs_a_day] + DAY)
    until = backoff_ends(ended, limits)
    if now < until and ended[0].ended <= now + CLOCK_MOVED:
        return Gate(f"{_count_failures(ended)} failed in a row (watch.backoff)", until)
    return None


def backoff_ends(ended: Sequence[Ended], limits: Limits) -> float:
    """Returns when the wait after the last failures is over; 0 after a success."""
    failures = _count_failures(ended)
    # A process that was killed once, say with its machine, is started again at once.
    if failures == 0 or (failures == 1 and ended[0].state == "lost"):
        return 0.0
    wait: float = limits.backoff * limits.backoff_factor ** min(failures - 1, 64)
    return ended[0].ended + min(wait, limits.max_backoff)


def find_outcome(code: int | None) -> Literal["succeeded", "failed", "lost"]:
    """Returns the state of an attempt that ended with an exit code; None: its process died without a result.

    A model that is not blessed answers the reasons of the run: another run on the same data would say the same.
    """
    if code is None:
        return "lost"
    return "succeeded" if code in (0, NOT_BLESSED) else "failed"


def is_final(code: int | None, attempts: int, limits: Limits) -> str | None:
    """Returns why a failed run is not tried again, None if it is.

    Args:
        code: the exit code, None where there is none.
        attempts: how often it was tried.
        limits: the rules.
    """
    if code in _LASTING_CODES:
        return f"exit code {code}: it would fail again until somebody fixes it"
    if attempts >= limits.attempts:
        return f"tried {attempts} times, and watch.backoff.attempts is {limits.attempts}"
    return None


def _count_failures(ended: Sequence[Ended]) -> int:
    return next((count for count, attempt in enumerate(ended) if attempt.state == "succeeded"), len(ended))
