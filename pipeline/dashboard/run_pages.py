"""The runs of a project, from the files in their folders; each is read again only when it has changed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hilir.pipeline.report.progress_log import NAME as PROGRESS
from hilir.pipeline.report.progress_log import read_progress
from hilir.pipeline.run.past.folders import list_folders

_STAMP = re.compile(r"-(\d{8}-\d{6})(-\d+)?$")
_SUMMARY = "summary.json"
_Key = tuple[int, int, int]


@dataclass(frozen=True)
class Run:
    """A run in a list.

    Attributes:
        folder: of the run; its name is the run's id.
        model: its model.
        status: `running`, `killed`, or how it ended.
        began: seconds since 1970.
        seconds: how long it took; None where it has not ended.
        version: the version that it pushed.
        metrics: over all rows.
        reasons: why it failed or was not blessed.
    """

    folder: Path
    model: str
    status: str
    began: float
    seconds: float | None = None
    version: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    reasons: Sequence[str] = ()

    @property
    def id(self) -> str:
        """The run's name."""
        return self.folder.name


class Runs:
    """The runs below some folders; may be used from several threads."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = tuple(places)
        self._known: dict[Path, tuple[_Key, Run]] = {}

    def list(self) -> list[Run]:
        """Returns all runs, the newest first."""
        found = [self._read(folder) for place in self._places for folder in list_folders(place)]
        return sorted(found, key=lambda run: (-run.began, run.id))

    def find(self, run_id: str) -> Run | None:
        """Returns the run of that id."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", run_id):
            return None
        for place in self._places:
            if (place / run_id).is_dir():
                return self._read(place / run_id)
        return None

    def _read(self, folder: Path) -> Run:
        key = (_changed(folder / _SUMMARY), _changed(folder / PROGRESS), _changed(folder))
        known = self._known.get(folder)
        # Whether a run still works is no matter of files.
        if known is not None and known[0] == key and known[1].status != "running":
            return known[1]
        run = read_run(folder)
        self._known[folder] = (key, run)
        return run


def read_run(folder: Path) -> Run:
    """Returns what the files in the folder of a run say."""
    summary = _read_json(folder / _SUMMARY)
    stamp = _STAMP.search(folder.name)
    model = folder.name[: stamp.start()] if stamp else folder.name
    if stamp:
        began = datetime.strptime(stamp[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()
    else:
        began = folder.stat().st_mtime
    if not summary:
        running = read_progress(folder).running
        return Run(folder, model, "running" if running else "killed", began)
    return Run(
        folder=folder,
        model=model,
        status=str(summary.get("status")),
        began=began,
        seconds=summary.get("seconds"),
        version=summary.get("version"),
        metrics=summary.get("metrics") or {},
        reasons=tuple(str(reason) for reason in summary.get("reasons") or ()),
    )


def _changed(path: Path) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
