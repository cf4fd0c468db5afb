"""The page of `hilir monitor drift --html`: the worst features as pictures, all others in a table that is folded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from hilir.analysis.plot import STYLE, Interval, histogram, interval_chart, sparkline
from hilir.analysis.reference import CategoryReference, FeatureReference, NumberReference
from hilir.analysis.text import show_unprintable
from hilir.serving.monitor.window_summary import FeatureHistory

WORST = 12
_MOST_CATEGORIES = 10
_PAGE_STYLE = """
:root{color-scheme:light dark}body{font:15px system-ui,sans-serif;margin:2em auto;max-width:62em;padding:0 1em}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(27em,1fr));gap:1em}
.card{border:1px solid #8885;border-radius:6px;padding:.6em .8em}.card h2{font-size:1em;margin:.2em 0}
.alarm{border-left:5px solid #b91c1c}.warn{border-left:5px solid #c2410c}.seen{border-left:5px solid #1f6feb}
table{border-collapse:collapse}td,th{padding:.2em .7em;text-align:left;border-bottom:1px solid #8883}small{opacity:.75}
"""

Lookup = Callable[[FeatureHistory], FeatureReference | None]


def write_page(model: str, since: str, histories: Sequence[FeatureHistory], look_up: Lookup) -> str:
    """Returns the page.

    Args:
        model: its name.
        since: how far it looks back, as it was typed.
        histories: the worst first.
        look_up: finds what a feature was in the training data.
    """
    cards = "".join(_card(each, look_up(each)) for each in histories[:WORST])
    rest = "".join(_row(each) for each in histories[WORST:])
    folded = (
        f"<details><summary>{len(histories) - WORST} more features</summary><table><tr><th>feature</th><th>level</th>"
        f"<th>version</th><th>size</th><th>missing</th></tr>{rest}</table></details>"
        if rest
        else ""
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Drift of {escape(model)}</title>'
        f"<style>{STYLE}{_PAGE_STYLE}</style></head><body><h1>Drift of {escape(model)}, last {escape(since)}</h1>"
        "<p>Each card compares what the model was asked with the data that it learned from. "
        "<b>Size</b> is the Jensen-Shannon divergence: 0 is no difference, 1 is nothing in common. "
        "<b>seen</b> is a difference that is not chance, <b>warn</b> one of 0.02 or more, <b>alarm</b> one of 0.1 "
        f'or more.</p><div class="cards">{cards}</div>{folded}</body></html>\n'
    )


def _card(history: FeatureHistory, reference: FeatureReference | None) -> str:
    worst = history.worst
    level = "no drift" if history.level == "none" else history.level
    name = escape(show_unprintable(worst.name)) + (" <small>(prediction)</small>" if worst.kind == "prediction" else "")
    facts = [f"size {worst.size:.3f}", f"in {history.flagged} of {history.windows} windows"]
    if worst.rows:
        facts.append(f"{worst.missing / worst.rows:.1%} missing")
    if worst.detail:
        facts.append(f"{worst.what}: {worst.detail}")
    if worst.new_values:
        facts.append(f"new values: {', '.join(worst.new_values)}")
    if worst.outside:
        facts.append(f"{worst.outside} values far outside the training range")
    text = escape(show_unprintable("; ".join(facts)))
    spark = sparkline("size by window", history.sizes) if len(history.sizes) > 1 else ""
    return (
        f'<div class="card {history.level}"><h2>{name}: {level} {spark}</h2>'
        f"<small>version {history.version}; {text}</small>{_picture(history, reference)}</div>"
    )


def _picture(history: FeatureHistory, reference: FeatureReference | None) -> str:
    counts = history.worst.counts
    if isinstance(reference, NumberReference) and len(reference.counts) == len(counts):
        edges = [float(place) for place in range(len(counts) + 1)]
        label = "from low to high, in parts that the training data fills equally"
        return histogram("values", edges, [("training", reference.counts), ("traffic", counts)], x_label=label)
    if isinstance(reference, CategoryReference) and len(reference.counts) + 1 == len(counts):
        return interval_chart("share by value (ring: training)", list(_shares(reference, counts)), width=420)
    return ""


def _shares(reference: CategoryReference, counts: Sequence[int]) -> Iterator[Interval]:
    before = [*reference.counts.values(), reference.other]
    total, now = sum(before) or 1, sum(counts) or 1
    names = [*reference.counts, "all other values"]
    rows = [
        (name, count / now, was / total) for name, count, was in zip(names, counts, before, strict=True) if count or was
    ]
    rows.sort(key=lambda row: -abs(row[1] - row[2]))
    for name, share, was in rows[:_MOST_CATEGORIES]:
        yield Interval(show_unprintable(name), share, share, share, baseline=was)


def _row(history: FeatureHistory) -> str:
    worst = history.worst
    cells = (
        worst.name,
        history.level,
        history.version,
        f"{worst.size:.4f}",
        f"{worst.missing / (worst.rows or 1):.1%}",
    )
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
