"""The pages of the dashboard: what each shows, read when it is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from hilir.analysis.plot import Bound, Series, line_chart
from hilir.pipeline.dashboard.disk_space import Disk
from hilir.pipeline.dashboard.feedback import list_experiments, read_monitors, show_experiment
from hilir.pipeline.dashboard.model_pages import read_models
from hilir.pipeline.dashboard.run_pages import Run, Runs
from hilir.pipeline.dashboard.triggers import read_triggers
from hilir.pipeline.dashboard.workplace import Workplace
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.report.compare_runs import Comparison, compare
from hilir.pipeline.report.document import Document
from hilir.pipeline.report.page.charts import draw_steps
from hilir.pipeline.report.page.overview import describe_status
from hilir.pipeline.report.page.page_text import clean
from hilir.pipeline.report.page.render import NAME as REPORT
from hilir.pipeline.report.progress_log import read_progress
from hilir.pipeline.run.past.reports import as_written, read_run
from hilir.serving.experiment.analysis import Curve

PAGE = 50
_MOST_METRICS = 5
_LOG_BYTES = 20_000
_MOST_WINDOWS, _MOST_FEATURES = 20, 30


class Pages:
    """Reads what the pages show; may be used from several threads."""

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self.runs = Runs(workplace.runs)
        self._disk = Disk(workplace)

    def list_runs(self, model: str, status: str, page: int) -> dict[str, Any]:
        """Returns a page of the runs of a model (of all if '') with a status (any if '')."""
        everything = self.runs.list()
        found = [run for run in everything if model in ("", run.model) and status in ("", run.status)]
        shown = found[(page - 1) * PAGE : page * PAGE]
        names = _common_metrics(shown)
        return {
            "runs": shown,
            "count": len(found),
            "all": len(everything),
            "page": page,
            "pages": max(1, -(-len(found) // PAGE)),
            "models": sorted({run.model for run in everything}),
            "statuses": sorted({run.status for run in everything}),
            "model": model,
            "status_wanted": status,
            "here": _address(model, status, page),
            "turn": lambda number: _address(model, status, number),
            "names": names,
            "trends": _find_trends(found, names) if len({run.model for run in found}) == 1 else {},
            "live": any(run.status == "running" for run in shown),
            "describe_status": describe_status,
        }

    def show_run(self, run: Run) -> dict[str, Any]:
        """Returns what is known of a run: how far it is, or how it ended."""
        progress = read_progress(run.folder)
        document = _read_document(run.folder)
        steps = progress.steps or (document.steps if document else ())
        edges = progress.edges or (document.edges if document else ())
        drawn = Document(run.id, run.model, steps=steps, edges=edges)
        earlier = [other for other in self.runs.list() if other.model == run.model and other.began < run.began]
        return {
            "run": run,
            "steps": steps,
            "graph": draw_steps(drawn) if steps else "",
            "curves": _draw_history(progress.history.get("Trainer", ())),
            "has_report": (run.folder / REPORT).is_file(),
            "before": next((other for other in earlier if other.status == "succeeded"), next(iter(earlier), None)),
            "log": _read_end(run.folder / "log.txt"),
            "live": run.status == "running",
            "describe_status": describe_status,
        }

    def compare_runs(self, one: Run, other: Run) -> Comparison:
        """Returns what differs between two runs.

        Raises:
            ConfigError: one of them has no report, or a damaged one.
        """
        with as_written(one.folder, other.folder):
            return compare(read_run(one.folder), read_run(other.folder))

    def list_models(self) -> dict[str, Any]:
        """Returns the models with their versions and releases."""
        return {
            "found": list(read_models(self.workplace.roots)),
            "roots": self.workplace.roots,
            "has_run": self._has_run,
        }

    def list_experiments(self) -> dict[str, Any]:
        """Returns the experiments of all models."""
        return {"found": list_experiments(self.list_models()["found"])}

    def show_experiment(self, model: str, name: str) -> dict[str, Any] | None:
        """Returns an experiment with what it shows now; None where there is none of that id."""
        found = (each for each in self.list_experiments()["found"] if (each.model, each.experiment.id) == (model, name))
        listed = next(found, None)
        if listed is None:
            return None
        shown = show_experiment(listed, self.workplace.outcomes)
        curves = shown.analysis.curves if shown.analysis else ()
        return {"listed": listed, "shown": shown, "curves": [draw_sequence(curve) for curve in curves]}

    def list_drift(self) -> dict[str, Any]:
        """Returns what the monitors found."""
        found = list(read_monitors(self.workplace.monitors))
        return {"found": found, "most_windows": _MOST_WINDOWS, "most_features": _MOST_FEATURES}

    def list_triggers(self) -> dict[str, Any]:
        """Returns what the watchers decided."""
        return {
            "found": list(read_triggers(self.workplace.watches)),
            "places": self.workplace.watches,
            "has_run": self._has_run,
        }

    def _has_run(self, run_id: str) -> bool:
        """Returns whether the run is still there, and was not removed by `hilir clean`."""
        return self.runs.find(run_id) is not None

    def measure_disk(self) -> dict[str, Any]:
        """Returns the use of the disk."""
        return {"disk": self._disk.measure()}


def _address(model: str, status: str, page: int) -> str:
    """Returns the address of a page of runs."""
    given = {"model": model, "status": status, "page": str(page) if page > 1 else ""}
    query = urlencode({name: value for name, value in given.items() if value})
    return f"/?{query}" if query else "/"


def _common_metrics(runs: Sequence[Run]) -> list[str]:
    """Returns the metrics that most of the runs have, at most five."""
    counts: dict[str, int] = {}
    for run in runs:
        for name in run.metrics:
            counts[name] = counts.get(name, 0) + (not name.endswith("count"))
    return sorted((name for name in counts if counts[name]), key=lambda name: (-counts[name], name))[:_MOST_METRICS]


def _find_trends(runs: Sequence[Run], names: Sequence[str]) -> Mapping[str, list[float]]:
    """Returns, per metric, the values of the runs from the oldest to the newest."""
    trends = {name: [run.metrics[name] for run in reversed(runs) if name in run.metrics] for name in names}
    return {name: values for name, values in trends.items() if len(values) > 1}


def draw_sequence(curve: Curve) -> tuple[str, Markup]:
    """Returns title and chart of a metric of an experiment: the difference with its confidence sequence, by users."""
    known = [each for each in curve.readings if math.isfinite(each.low) and math.isfinite(each.high)]
    # As in the table above it: a difference of two shares is in points.
    unit, factor = ("points", 100.0) if curve.metric.kind == "proportion" else ("", 1.0)
    series = Series(
        "candidate less stable",
        [(float(each.users), factor * each.difference) for each in known],
        [(factor * each.low, factor * each.high) for each in known],
    )
    title = clean(curve.metric.title)
    bounds = [Bound("no difference", 0.0)]
    chart = line_chart(f"Difference in {title}", [series], x_label="users", y_label=unit, bounds=bounds)
    return title, Markup(chart)  # noqa: S704 - escaped where it is drawn


def _draw_history(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the curves of what a training has reported so far, each with its validation."""
    points: dict[str, list[tuple[float, float]]] = {}
    for figures in history:
        epoch = str(figures.get("epoch", "")).partition("/")[0]
        if epoch.isdecimal():
            for name, value in figures.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    points.setdefault(name, []).append((float(epoch), float(value)))
    names = [name for name in points if not name.startswith("val_")]
    return [
        line_chart(
            f"{clean(name)} by epoch",
            [
                Series(part, points[key])
                for part, key in (("train", name), ("validation", f"val_{name}"))
                if key in points
            ],
            x_label="epoch",
            whole_x=True,
            y_label=clean(name),
        )
        for name in names
    ]


def _read_document(folder: Path) -> Document | None:
    try:
        return read_run(folder)
    except ConfigError:
        return None


def _read_end(path: Path) -> str:
    """Returns the last lines of a log."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            start = max(0, file.tell() - _LOG_BYTES)
            file.seek(start)
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = text.splitlines()[1 if start else 0 :]
    return "\n".join(str(clean(line)) for line in lines)
