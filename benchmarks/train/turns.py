"""Epochs in turns: trainings in several processes, of which one at a time does an epoch while the others wait.

The pace of a shared machine changes from minute to minute; epochs that follow each other within seconds compare well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

_POLL_SECONDS = 0.005


def give_turns(
    folder: Path, processes: Mapping[str, int], epochs: int, check: Callable[[], None]
) -> dict[str, list[float]]:
    """Returns the seconds of each epoch of each training but the first epoch's, which holds the tracing.

    Args:
        folder: a training's prefix is its name in there.
        processes: how many processes each training has; its epoch takes as long as its slowest.
        epochs: how many each training does.
        check: called while an epoch is waited for; raises if a training has ended too early.
    """
    seconds: dict[str, list[float]] = {name: [] for name in processes}
    for epoch in range(epochs):
        # Each round begins with another one, so that none always follows the same.
        names = list(processes)[epoch % len(processes) :] + list(processes)[: epoch % len(processes)]
        for name in names:
            (folder / f"{name}.{epoch}.go").touch()
            while len(done := list(folder.glob(f"{name}.{epoch}.*.done"))) < processes[name]:
                check()
                time.sleep(_POLL_SECONDS)
            if epoch:
                seconds[name].append(max(float(file.read_text()) for file in done))
    return seconds
