"""Whether users are divided as the split says: a test on the gateway's access log, with the share of each step."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from hilir.serving.experiment.statistics.ratio_mismatch import ALARM, RatioTest
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.releases.state import State
from hilir.serving.rollout.gates import Decision, Verdict

_TIME = re.compile(rb'"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z)"')
# Below this many bytes all lines are read.
_CHUNK = 1 << 16


class SplitCheck:
    """Counts the users that are new in a step; a user who was seen before stays where the split has put them.

    Requests without a key are drawn one by one, and are no users. While the test fires nothing is decided, since
    whatever the versions are compared by may differ for the reason that makes the users differ.

    Args:
        path: the access log.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def judge(self, state: State, rollout: Rollout, over: bool) -> Verdict | None:
        """See `Gate`."""
        if not over or not rollout.percent:
            return None
        test, seen = RatioTest(), set[str]()
        epochs = find_epochs(state, rollout)
        counts = [[0, 0] for _ in epochs]
        number = -1
        for at, user, label in _read_users(self._path, state.model, epochs[0][0] if epochs else ""):
            while number + 1 < len(epochs) and at >= epochs[number + 1][0]:
                number += 1
            if user not in seen:
                seen.add(user)
                counts[number][label == "candidate"] += 1
        for (_, percent), new in zip(epochs, counts, strict=True):
            if sum(new):
                test.add(new, (100 - percent, percent))
        last = counts[-1] if counts else [0, 0]
        fact = f"{last[1]:,} of {sum(last):,} new users at {rollout.percent:g} %; p {test.p:.2g}, limit {ALARM:g}"
        if test.p < ALARM:
            return Verdict("split", Decision.WAIT, f"{fact}; users are not divided as planned")
        return Verdict("split", Decision.CONTINUE, fact)


def find_epochs(state: State, rollout: Rollout) -> list[tuple[str, float]]:
    """Returns beginning and percent of each step of a rollout that had users, the present one last."""
    found = [
        (event.at, event.percent)
        for event in state.history
        if event.verb == "rollout" and event.version == rollout.version and event.percent
    ]
    first = next((place for place in range(len(found) - 1, 0, -1) if found[place - 1][1] >= found[place][1]), 0)
    return found[first:]


def _read_users(path: Path, model: str, since: str) -> Iterator[tuple[str, str, str]]:
    """Yields time, user and label of the drawn requests since a moment."""
    begin = datetime.fromisoformat(since) if since else None
    try:
        with path.open("rb") as file:
            if begin is not None:
                seek_time(file, begin)
            for line in file:
                if b'"user":"' not in line or not line.endswith(b"\n"):
                    continue
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if entry.get("model") != model or entry.get("label") not in ("stable", "candidate"):
                    continue
                at = datetime.fromisoformat(entry["time"])
                if begin is not None and at >= begin:
                    yield at.isoformat(timespec="milliseconds"), entry["user"], entry["label"]
    except OSError:
        return


def seek_time(file: BinaryIO, moment: datetime) -> None:
    """Moves to a line of an access log from which on no request began later than a minute before a moment, by halves.

    Lines are in the order in which requests ended, which is nearly that of their beginnings.
    """
    low, high = 0, file.seek(0, os.SEEK_END)
    while high - low > _CHUNK:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        at = next((found for line in islice(file, 20) if (found := _read_time(line)) is not None), None)
        if at is None or at >= moment - timedelta(minutes=1):
            high = middle
        else:
            low = middle
    file.seek(low)
    if low:
        file.readline()


def _read_time(line: bytes) -> datetime | None:
    match = _TIME.search(line)
    return None if match is None else datetime.fromisoformat(match[1].decode())
