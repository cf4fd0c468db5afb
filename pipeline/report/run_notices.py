"""Notifications of how a run ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from hilir.pipeline.report.summary import Summary
from hilir.serving.notify import Channel, Notifier
from hilir.serving.releases.actor import find_actor


def notify_run(channels: list[Channel], model: str, summary: Summary) -> None:
    """Sends how a run ended: `run-failed`, `run-not-blessed`, or `run-blessed` and then `run-pushed`.

    What cannot be sent is a line on standard error, and nothing else.
    """
    notifier = Notifier(channels, lambda line: print(f"hilir: {line}", file=sys.stderr, flush=True))
    for name in list_events(summary):
        text = f"{model}: run {summary.run_id}: {name.removeprefix('run-').replace('-', ' ')}"
        if summary.version is not None:
            text += f", version {summary.version}"
        if summary.reasons:
            text += f": {'; '.join(summary.reasons)}"
        notifier.offer(
            {
                "event": name,
                "text": text,
                "model": model,
                "run_id": summary.run_id,
                "status": summary.status,
                "version": summary.version,
                "reasons": summary.reasons,
                "metrics": summary.metrics,
                "actor": find_actor(),
            }
        )
    notifier.close()


def list_events(summary: Summary) -> Iterator[str]:
    """Yields the events of a run's end; one that the user interrupted has none."""
    if summary.status in ("failed", "not_blessed"):
        yield f"run-{summary.status.replace('_', '-')}"
    if summary.status == "succeeded" and summary.blessed:
        yield "run-blessed"
    if summary.status == "succeeded" and summary.version is not None:
        yield "run-pushed"
