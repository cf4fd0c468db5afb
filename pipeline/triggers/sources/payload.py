"""What a trigger says: the one payload that all of them carry, and the protocol behind which they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

What = Literal["cron", "data", "age", "drift", "quality", "call"]
# What lies further ahead than this, in seconds, was written before the clock was set back; less is its being adjusted.
CLOCK_MOVED = 60.0


def recall(at: float, now: float) -> float:
    """Returns a time that was remembered (s since 1970); now, where the clock was set back since then."""
    return now if at > now + CLOCK_MOVED else at


@dataclass(frozen=True)
class Span:
    """A span of the data; `version` is None where data.pattern has no {VERSION}."""

    number: int
    version: int | None = None

    @property
    def order(self) -> tuple[int, int]:
        """What spans are sorted by: the newest has the highest number, then the highest version, as for TFX."""
        return self.number, -1 if self.version is None else self.version

    def __str__(self) -> str:
        return f"span {self.number}" + ("" if self.version is None else f" version {self.version}")


@dataclass(frozen=True)
class Payload:
    """A reason to run: which trigger, why in one sentence, and which spans it is about (none: whatever is newest)."""

    what: What
    why: str
    spans: tuple[Span, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Returns the JSON object that is stored, shown and given to the run."""
        spans = [{"span": span.number, "version": span.version} for span in self.spans]
        return {"what": self.what, "why": self.why, "spans": spans}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Payload:
        """Returns what `as_dict` wrote."""
        spans = tuple(Span(span["span"], span["version"]) for span in values["spans"])
        return cls(values["what"], values["why"], spans)


@dataclass(frozen=True)
class Firing:
    """One occurrence. Two firings with the same key are the same occurrence, seen twice."""

    key: str
    payload: Payload


@dataclass(frozen=True)
class Observation:
    """What a trigger found.

    Attributes:
        firings: new reasons to run.
        memory: what the trigger wants to be given at the next look; stored together with the firings.
        note: what it saw, for `hilir watch status`.
        hold: why no run may begin now, whatever its reason; None if one may.
    """

    firings: tuple[Firing, ...]
    memory: Mapping[str, Any]
    note: str
    hold: str | None = None


class Trigger(Protocol):
    """Looks for reasons to run; a look has no effect but its result, so that it may be repeated after a crash."""

    name: str

    def pause(self, now: datetime) -> float:
        """Returns the seconds from `now` (with a time zone) until the next look."""

    def look(self, memory: Mapping[str, Any], now: datetime) -> Observation:
        """Returns what there is at `now` (with a time zone) beyond `memory`, which is empty at the very first look.

        Raises:
            OSError, ValueError: what it looks at cannot be read now; the next look may succeed.
        """
