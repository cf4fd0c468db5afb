"""The model card of a version: `MODEL_CARD.md` (Mitchell et al. 2019, Model Cards for Model Reporting)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tfx.dsl.io import fileio

from hilir.analysis.measures import complete, find_weak, main_measure, sort_slices
from hilir.components.pusher.manifest import installed_packages

NAME = "MODEL_CARD.md"
_MOST_SLICES = 30
_GIVEN = {
    "owner": "Owner",
    "intended_use": "Intended use",
    "out_of_scope": "Out of scope",
    "limitations": "Limitations",
    "licence": "Licence",
}


def describe_model(
    settings: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float]], data: Mapping[str, Any], run_id: str
) -> str:
    """Returns the card as Markdown.

    Args:
        settings: the Pusher's, with `model`, `thresholds`, `code` and maybe `card`.
        metrics: by slice, all rows as `overall`.
        data: as the manifest has it.
        run_id: the run that made the model.
    """
    return "\n".join(_write(settings, metrics, data, run_id)) + "\n"


def write_card(folder: str, card: str) -> None:
    """Writes the card into the folder of a version."""
    with fileio.open(os.path.join(folder, NAME), "w") as file:
        file.write(card)


def _write(
    settings: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float]], data: Mapping[str, Any], run_id: str
) -> Iterator[str]:
    card = settings.get("card", {})
    yield f"# Model card: {_escape(settings['model'])}"
    for key, title in _GIVEN.items():
        yield from ("", f"## {title}", "", _escape(card[key]) if card.get(key) else f"Not given (`card.{key}`).")
    yield from ("", "## Metrics", "")
    names = list(metrics.get("overall", {}))
    yield f"| slice | {' | '.join(map(_escape, names))} |"
    yield f"| --- |{' ---: |' * len(names)}"
    shown = sort_slices(metrics)
    for part, values in list(shown.items())[:_MOST_SLICES]:
        cells = (f"{values[name]:.6g}" if name in values else "" for name in names)
        yield f"| {'all rows' if part == 'overall' else _escape(part)} | {' | '.join(cells)} |"
    if len(shown) > _MOST_SLICES:
        yield from ("", f"{len(shown) - _MOST_SLICES} more slices are in `manifest.json`.")
    yield from ("", "## Thresholds", "")
    yield from (f"- {_escape(_describe(bound))}" for bound in settings["thresholds"])
    yield from ("", "## Known weak slices", "")
    yield from _weak(settings, metrics)
    yield from ("", "## Data and code", "")
    yield from (f"- {name}: {_escape(value)}" for name, value in data.items() if value not in (None, "", []))
    yield from (f"- code, {name}: {_escape(value)}" for name, value in settings["code"].items() if value)
    yield f"- run: {_escape(run_id)}"
    yield from (f"- {name} {number}" for name, number in installed_packages().items())


def _weak(settings: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    evaluate = {"thresholds": settings["thresholds"]}
    measures = complete([], metrics.get("overall", {}))
    main = main_measure(evaluate, measures)
    found = find_weak(metrics, main, measures) if main else []
    for part, value, rows in found:
        counted = f", {rows} rows" if rows else ""
        yield f"- {_escape(part)}: {_escape(main.name if main else '')} {value:.6g}{counted}"
    if not found:
        yield "None is worse than all rows together, or no slices were looked at."


def _describe(bound: Mapping[str, Any]) -> str:
    parts = [f"at least {bound['min']:g}"] if bound.get("min") is not None else []
    parts += [f"at most {bound['max']:g}"] if bound.get("max") is not None else []
    changes = ((kind, value) for kind, value in (bound.get("change") or {}).items() if value is not None)
    parts += [f"{kind} change of {value:g} against the model pushed before" for kind, value in changes]
    return f"{bound['metric']}, {bound.get('slice') or 'all rows'}: {', '.join(parts)}"


def _escape(value: Any) -> str:
    """Returns text in which nothing is Markdown, HTML or a line of its own."""
    text = "".join(each if each.isprintable() else " " for each in str(value))
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", text)
