"""What came back from traffic: experiments and what they show, and windows of drift."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hilir.pipeline.dashboard.model_pages import Model
from hilir.serving.errors import ServingError
from hilir.serving.experiment.analysis import Analysis
from hilir.serving.experiment.report import words
from hilir.serving.experiment.report.sources import analyse_experiment
from hilir.serving.monitor.window_store import MonitorStore, StoredWindow, has_state
from hilir.serving.monitor.window_summary import FeatureHistory, summarize
from hilir.serving.releases.experiments import Experiment
from hilir.serving.releases.release_store import Store

# Windows that are looked at, the newest.
_WINDOWS = 200


@dataclass(frozen=True)
class Listed:
    """An experiment of a model."""

    model: str
    root: Path
    experiment: Experiment


@dataclass(frozen=True)
class Shown:
    """What an experiment shows; `fault` is why that cannot be computed."""

    analysis: Analysis | None
    rows: Sequence[Sequence[str]] = ()
    fault: str = ""


@dataclass(frozen=True)
class Monitored:
    """The windows of a model's monitor, the newest first, and its features, the worst first."""

    model: str
    windows: Sequence[StoredWindow] = ()
    features: Sequence[FeatureHistory] = ()
    fault: str = ""


def list_experiments(models: Sequence[Model]) -> list[Listed]:
    """Returns the experiments of all models: those that run, then those that are over, the newest first."""
    found = [
        Listed(model.name, model.root, experiment)
        for model in models
        if model.state is not None
        for experiment in reversed(model.state.experiments)
    ]
    return sorted(found, key=lambda each: bool(each.experiment.ended_by))


def show_experiment(listed: Listed, outcomes: str) -> Shown:
    """Returns what an experiment shows at this moment, from the gateway's log and the outcomes."""
    if "://" not in outcomes and not Path(outcomes).is_file():
        return Shown(None, fault=f"there are no outcomes in {outcomes} yet; --outcomes PLACE names another place")
    try:
        found = analyse_experiment(Store(listed.root), listed.model, listed.experiment.id, (), (), outcomes)
    except (ServingError, OSError, sqlite3.Error) as error:
        return Shown(None, fault=str(error))
    return Shown(found, [words.list_cells(curve, found.experiment.alpha) for curve in found.curves])


def read_monitors(places: Sequence[Path]) -> Iterator[Monitored]:
    """Yields what the monitor of each model found in its newest windows."""
    for place in places:
        for folder in sorted(path for path in place.glob("[!.]*") if has_state(path)):
            try:
                windows = MonitorStore(folder).windows(limit=_WINDOWS)
            except (ServingError, ValueError, TypeError, sqlite3.Error) as error:
                yield Monitored(folder.name, fault=str(error))
            else:
                yield Monitored(folder.name, windows[::-1], summarize(windows))
