"""The report as a page: one file, which needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from hilir.analysis.plot import STYLE, Bound, Interval, Series, interval_chart, line_chart
from hilir.analysis.plot.svg import Frame
from hilir.serving.experiment.analysis import Analysis, Curve
from hilir.serving.experiment.report import words

# The last number of users on the axis needs room to the right.
_FRAME = Frame(width=640, height=260, right=40)
_PAGE_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1c2430;background:#fff}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}table{border-collapse:collapse}td,th{padding:.3em .8em;
text-align:right;border-bottom:1px solid #dfe3e8}td:first-child,th:first-child{text-align:left}
.verdict{font-size:1.15em;padding:.8em 1em;border-left:5px solid #5b6573;background:#f3f5f7}
.better,.safe{border-color:#15803d}.worse,.harmful,.withheld,.crossed{border-color:#b91c1c}
.soft{color:#5b6573}code{background:#eef0f3;padding:.1em .3em}
@media (prefers-color-scheme:dark){body{color:#e6e9ee;background:#14181f}.verdict{background:#1d232c}
code{background:#262d38}
td,th{border-color:#39424e}.soft{color:#a3adba}}
"""


def write_page(found: Analysis) -> str:
    """Returns the page."""
    title = escape(f"Experiment {found.experiment.name}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_PAGE_STYLE}{STYLE}</style></head><body>\n'
        + "\n".join(_body(found))
        + "\n</body></html>\n"
    )


def _body(found: Analysis) -> Iterator[str]:
    conclusion = found.conclusion
    yield f"<h1>Experiment {escape(found.experiment.name)}</h1>"
    yield f"<p>{escape(words.describe_subject(found))}; as of {words.describe_time(found.now)}</p>"
    remedy = f"<br>Next: <code>{escape(conclusion.remedy)}</code>" if conclusion.remedy else ""
    first = conclusion.words[:1].upper() + conclusion.words[1:]
    yield f'<p class="verdict {conclusion.status}">{escape(first)}.{remedy}</p>'
    yield from _table(found)
    yield (
        '<p class="soft">“May be” is where the true difference is, with a confidence that holds at every look, '
        "so you may look as often as you like. p is the chance of as much evidence without any difference; it stays at "
        "1 for a while at the beginning, which is normal.</p>"
    )
    for curve in found.curves:
        yield from _section(curve, found)
    yield "<h2>What would have been decided when</h2><ul>"
    for at, users, each in found.timeline:
        yield f"<li>{words.describe_time(at)}, {users:,} users: {escape(each.words)}</li>"
    yield "</ul><h2>What the figures rest on</h2><ul>"
    yield from (f"<li>{escape(line)}</li>" for line in words.list_counts(found))
    yield "</ul>"


def _table(found: Analysis) -> Iterator[str]:
    heads = ("", "stable", "candidate", "difference", "may be", "p", "")
    yield "<table><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"
    for curve in found.curves:
        cells = words.list_cells(curve, found.experiment.alpha)
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def _section(curve: Curve, found: Analysis) -> Iterator[str]:
    yield f"<h2>{escape(curve.metric.title)}</h2>"
    scale = 100.0 if curve.metric.kind == "proportion" else 1.0
    unit = "difference, points" if curve.metric.kind == "proportion" else "difference"
    looks = [each for each in curve.readings if math.isfinite(each.low) and math.isfinite(each.high)]
    if not looks:
        yield '<p class="soft">Too few users, or no differences between them, for a curve.</p>'
        return
    series = Series(
        curve.metric.title,
        [(float(each.users), each.difference * scale) for each in looks],
        [(each.low * scale, each.high * scale) for each in looks],
    )
    limit = -curve.metric.sign * curve.metric.margin * scale if curve.guardrail else 0.0
    yield line_chart(
        f"{curve.metric.title}: difference over the users, with its confidence sequence",
        [series],
        x_label="users",
        y_label=unit,
        bounds=[Bound("margin" if limit else "no difference", limit)],
        frame=_FRAME,
    )
    days = [(day, each) for day, each in curve.by_day if math.isfinite(each.low) and math.isfinite(each.high)]
    if len(days) > 1:
        since = found.experiment.window_seconds >= 2 * 86_400 and curve.metric.kind != "quantile"
        what = "since the user's first request: one that shrinks is novelty" if since else "of the user's first request"
        yield f'<p class="soft">The difference by day {escape(what)}.</p>'
        rows = [
            Interval(f"day {day}", each.difference * scale, each.low * scale, each.high * scale, bound=0.0)
            for day, each in days
        ]
        yield interval_chart(f"{curve.metric.title}: {unit} by day", rows)
