"""Renders pages from templates; whatever they show of data is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hilir.analysis.plot import STYLE
from hilir.components.staging import write_file
from hilir.pipeline.report.compare_runs import Comparison
from hilir.pipeline.report.document import Document
from hilir.pipeline.report.page import charts, page_text
from hilir.pipeline.report.page.overview import make_overview
from hilir.pipeline.report.step_figures import describe_made

NAME = "report.html"
_TEMPLATES = Path(__file__).parent / "templates"
# More features than these are listed without charts, so that the page stays below its bound.
_DRAWN_FEATURES = 300


def make_environment(*folders: Path) -> Environment:
    """Returns an environment with the report's templates, macros and filters, and further folders of templates."""
    loaders: list[BaseLoader] = [FileSystemLoader(folder) for folder in (*folders, _TEMPLATES)]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=page_text.clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "show": page_text.show,
        "size": page_text.size,
        "duration": page_text.duration,
        "when": page_text.when,
        "uncut": Markup.escape,
        "made": describe_made,
    }
    environment.globals |= {"change": page_text.change, "draw_sparkline": charts.draw_sparkline}
    return environment


def read_style() -> Markup:
    """Returns the style sheet of all pages, that of the charts included."""
    return Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8") + STYLE)  # noqa: S704 - our own files


def render_report(document: Document) -> str:
    """Returns the page of a run."""
    overview = make_overview(document)
    drawn: list[dict[str, Any]] = [
        {
            **feature,
            "chart": charts.draw_feature(feature) if place < _DRAWN_FEATURES else None,
            "write": charts.choose_form(feature),
        }
        for place, feature in enumerate(document.statistics.get("features", []))
    ]
    shown = {"overall": document.evaluation.get("plots", {}), **document.evaluation.get("slice_plots", {})}
    return _render(
        "report.html",
        document=document,
        overview=overview,
        graph=charts.draw_steps(document),
        features=drawn,
        curves={name: charts.draw_curve(name, runs) for name, runs in document.curves.items()},
        slices=[
            (measure, charts.draw_slices(document, measure, overview.bounds, overview.intervals))
            for measure in overview.measures
            if measure.better and len(document.metrics) > 1
        ],
        plots=[
            (part, output, charts.draw_plots(found, document.classes))
            for part, outputs in shown.items()
            for output, found in outputs.items()
        ],
    )


def render_comparison(comparison: Comparison) -> str:
    """Returns the page of the difference of two runs."""
    return _render("comparison.html", comparison=comparison)


def write_report(document: Document, folder: Path) -> None:
    """Writes `report.html` into the run's folder, complete when it is there."""
    write_file(folder / NAME, render_report(document))


@cache
def _environment() -> Environment:
    return make_environment()


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(style=read_style(), **values)
