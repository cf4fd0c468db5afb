"""Schedules in the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def _check(cron: str) -> str:
    # Only who has a schedule pays for APScheduler.
    from hilir.pipeline.triggers.sources.cron import parse_cron

    parse_cron(cron)
    return cron


Cron = Annotated[str, AfterValidator(_check)]
"""Minute, hour, day, month and weekday, with `TZ=Area/City ` before them if wanted."""
