"""The report as plain values for JSON; what is infinite or no number is null."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from hilir.serving.experiment.analysis import Analysis, Curve
from hilir.serving.experiment.conclusion import Conclusion
from hilir.serving.experiment.readings import Reading
from hilir.serving.experiment.report.words import ARMS, describe_verdict


def to_json(found: Analysis) -> dict[str, Any]:
    """Returns the whole report."""
    content: dict[str, Any] = _plain(
        {
            "experiment": found.experiment.model_dump(mode="json"),
            "now": found.now,
            "days": found.days,
            "users": dict(zip(ARMS, found.users, strict=True)),
            "counted": dict(zip(ARMS, found.counted, strict=True)),
            "mismatch_p": found.mismatch_p,
            "conclusion": asdict(found.conclusion),
            "metrics": [_curve(curve, found.experiment.alpha) for curve in found.curves],
            "timeline": [_event(at, users, conclusion) for at, users, conclusion in found.timeline],
            "coverage": asdict(found.coverage),
        }
    )
    return content


def _curve(curve: Curve, alpha: float) -> dict[str, Any]:
    return {
        "metric": curve.metric.text,
        "guardrail": curve.guardrail,
        "verdict": describe_verdict(curve, alpha),
        "p": curve.corrected,
        **_reading(curve.readings[-1]),
        "looks": [_reading(each) for each in curve.readings],
        "by_day": [{"day": day, **_reading(each)} for day, each in curve.by_day],
    }


def _reading(reading: Reading) -> dict[str, Any]:
    names = ("users", "stable", "candidate", "difference", "low", "high", "relative")
    return {name: getattr(reading, name) for name in names}


def _event(at: float, users: int, conclusion: Conclusion) -> dict[str, Any]:
    return {"time": at, "users": users, **asdict(conclusion)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
