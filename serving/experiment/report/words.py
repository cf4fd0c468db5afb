"""Figures and counts as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from hilir.serving.experiment.analysis import Analysis, Curve
from hilir.serving.experiment.conclusion import Guardrail
from hilir.serving.experiment.readings import Reading

ARMS = ("stable", "candidate")
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def describe_value(curve: Curve, value: float, signed: bool = False) -> str:
    """Returns a value of a metric: shares in percent, others with four digits."""
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "-∞" if value < 0 else "∞"
    sign = "+" if signed else ""
    if curve.metric.kind == "proportion":
        # A difference of two shares is in points: 10 % and 2 points more are 12 %.
        return f"{100 * value:{sign}.2f}" if signed else f"{100 * value:.2f} %"
    return f"{value:{sign}.4g}"


def describe_interval(curve: Curve, reading: Reading) -> str:
    """Returns the confidence sequence of a difference."""
    if math.isinf(reading.low) and math.isinf(reading.high):
        return "not known yet"
    low, high = (describe_value(curve, value, signed=True) for value in (reading.low, reading.high))
    return f"{low} to {high}{_unit(curve)}"


def describe_difference(curve: Curve, reading: Reading) -> str:
    """Returns a difference, also relative to stable."""
    relative = f" ({reading.relative:+.1%})" if math.isfinite(reading.relative) else ""
    return f"{describe_value(curve, reading.difference, signed=True)}{_unit(curve)}{relative}"


def _unit(curve: Curve) -> str:
    return " points" if curve.metric.kind == "proportion" else ""


def describe_p(p: float) -> str:
    """Returns p with as many digits as it has."""
    return "1" if p >= 0.9995 else f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def describe_verdict(curve: Curve, alpha: float) -> str:
    """Returns what the last look says of one metric."""
    reading = curve.readings[-1]
    if curve.guardrail:
        guard = Guardrail(curve.metric, reading)
        return "crossed" if guard.is_crossed else "safe" if guard.is_safe else "open"
    if curve.corrected >= alpha:
        return "open"
    return "better" if reading.difference * curve.metric.sign > 0 else "worse"


def describe_time(seconds: float) -> str:
    """Returns a time to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def describe_duration(seconds: float) -> str:
    """Returns a length of time in its largest unit."""
    size, name = next(((size, name) for size, name in _UNITS if seconds >= size), (1, "second"))
    number = f"{seconds / size:.3g}"
    return f"{number} {name}" if number == "1" else f"{number} {name}s"


def describe_subject(found: Analysis) -> str:
    """Returns which experiment it is."""
    experiment = found.experiment
    over = f", ended by {experiment.ended_by} at {experiment.ended[:16]}Z" if experiment.ended_by else ""
    return (
        f"{experiment.name}: stable {experiment.stable} against candidate {experiment.candidate} with "
        f"{experiment.percent:g} % of the users, for {describe_duration(found.days * 86_400)}{over}"
    )


def list_counts(found: Analysis) -> Iterator[str]:
    """Yields how many users there are, and what the figures rest on."""
    cover, window = found.coverage, describe_duration(found.experiment.window_seconds)
    yield (
        f"users: {found.users[0]:,} stable, {found.users[1]:,} candidate; counted are {found.counted[0]:,} and "
        f"{found.counted[1]:,}, whose first request is more than {window} ago; planned {found.experiment.planned:,}"
    )
    yield f"shares of the arms: p = {describe_p(found.mismatch_p)} (below 0.001 the decision is withheld)"
    if cover.requests:
        yield (
            f"requests: {cover.requests:,}; {cover.with_outcome / cover.requests:.1%} of them have an outcome by id"
            + (f"; {cover.logged / cover.requests:.1%} are in the request log" if cover.logged is not None else "")
        )
    if sum(cover.keyless):
        yield (
            f"without a user key, and in no figure: {cover.keyless[0]:,} requests to stable "
            f"({cover.keyless_failed[0]:,} failed), {cover.keyless[1]:,} to the candidate "
            f"({cover.keyless_failed[1]:,} failed)"
        )
    left_out = {
        "that name a request which these logs do not have": cover.unknown,
        "of rows that their request did not have": cover.unknown_rows,
        "from before their request (a wrong clock?)": cover.early,
        f"from more than {window} after the user's first request": cover.late,
        "of users who made no request": cover.unknown_users,
    }
    for words, count in left_out.items():
        if count:
            yield f"outcomes left out: {count:,} {words}"
    others = {
        "outcomes were replaced by a later value": cover.replaced,
        "users were in both arms, and count in the first": cover.crossed,
        "requests repeated an id, and do not count": cover.repeated,
        "lines of the access log cannot be read": cover.torn,
    }
    for words, count in others.items():
        if count:
            yield f"{count:,} {words}"


def list_cells(curve: Curve, alpha: float) -> list[str]:
    """Returns the row of a metric in tables: name, both arms, difference, interval, p and verdict at the last look."""
    last = curve.readings[-1]
    values = [
        describe_value(curve, last.stable),
        describe_value(curve, last.candidate),
        describe_difference(curve, last),
    ]
    return [
        ("guardrail: " if curve.guardrail else "") + curve.metric.title,
        *(values if last.users else ["none yet", "none yet", ""]),
        describe_interval(curve, last),
        describe_p(curve.corrected),
        describe_verdict(curve, alpha),
    ]
