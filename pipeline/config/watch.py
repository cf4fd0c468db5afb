"""When a model is trained again on this machine, and how often at most."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from hilir.components.settings import NonNegativeFloat, PositiveFloat, PositiveInt, Section
from hilir.pipeline.config.cron import Cron


class DataWatchSection(Section):
    """How new data is noticed: a marker file, or files that stay as they are."""

    every_seconds: PositiveFloat = 30.0
    marker: Annotated[str, StringConstraints(min_length=1, pattern=r"^[^/]+$")] | None = None
    stable_seconds: NonNegativeFloat = 60.0


class DriftWatchSection(Section):
    """When drift that `hilir monitor run` found starts a run: a level, in so many windows in a row."""

    level: Literal["warn", "alarm"] = "alarm"
    windows: PositiveInt = 2
    quiet_hours: NonNegativeFloat = 24.0


class QualityWatchSection(Section):
    """When quality that `hilir monitor run` found starts a run: worse than its bound in so many windows in a row."""

    kind: Literal["realised", "estimated", "any"] = "any"
    windows: PositiveInt = 3
    quiet_hours: NonNegativeFloat = 24.0


class HttpWatchSection(Section):
    """Where calls for a run are taken; `token` is the name of the environment variable that contains the token."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8600
    token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "HILIR_WATCH_TOKEN"  # noqa: S105 - a name


class BackoffSection(Section):
    """How long failures keep the next run waiting, and how often a run is tried."""

    seconds: NonNegativeFloat
    factor: Annotated[float, Field(ge=1)]
    max_seconds: NonNegativeFloat
    attempts: PositiveInt


class WatchSection(Section):
    """`hilir watch`."""

    state: str
    program: list[str]
    cron: Cron | None
    data: DataWatchSection | None
    max_age_hours: PositiveFloat | None
    drift: DriftWatchSection | None
    quality: QualityWatchSection | None
    http: HttpWatchSection | None
    after: Literal["stage", "rollout"] | None
    after_options: list[str]
    queue: Literal["merge", "each", "skip"]
    debounce_seconds: NonNegativeFloat
    runs_a_day: PositiveInt
    backoff: BackoffSection
