"""Past runs of a pipeline, from its metadata store and its run folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.report.run_records import RunRecord


@dataclass(frozen=True)
class PastRun:
    """One line of the list."""

    id: str
    when: str
    status: str
    outcome: str


@dataclass(frozen=True)
class PastStep:
    """One step of a past run."""

    node: str
    state: str
    seconds: float
    made: Mapping[str, Any]
    outputs: Mapping[str, str]
    details: tuple[str, ...] = ()


def list_runs(config: Config) -> list[PastRun]:
    """Returns the runs that the metadata store has, the newest first."""
    return [_past_run(config, run) for run in _store(config).list_runs()]


def show_run(config: Config, run_id: str) -> list[PastStep]:
    """Returns the steps of a run in the order they ran.

    Raises:
        ConfigError: the store has no run of that id.
    """
    from hilir.pipeline.report import step_figures
    from hilir.pipeline.report.ingested import write_details

    return [
        PastStep(
            step.node,
            step.state,
            step.seconds,
            step_figures.describe(step.outputs),
            {name: artifact.uri for name, artifact in step.outputs.items()},
            tuple(write_details(step.outputs)) if step.node == "ExampleGen" else (),
        )
        for step in find_record(config, run_id).steps
    ]


def find_record(config: Config, run_id: str) -> RunRecord:
    """Returns what the metadata store has of a run.

    Raises:
        ConfigError: the store has no run of that id.
    """
    run: RunRecord | None = _store(config).find_run(run_id)
    if run is None:
        raise ConfigError(
            f"there is no run '{run_id}' of the pipeline {config.model.name}; 'hilir runs list' names them"
        )
    return run


def _store(config: Config) -> Any:
    root = Path(config.pipeline.root) / config.model.name
    if not (root / "metadata.sqlite").exists():
        raise ConfigError(
            f"the pipeline {config.model.name} has not run yet below {config.pipeline.root}; type 'hilir run'"
        )
    from hilir.pipeline.run.metadata_store import RunStore, connection

    return RunStore(connection(str(root)))


def _past_run(config: Config, run: Any) -> PastRun:
    when = datetime.fromtimestamp(run.began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    path = Path(config.pipeline.runs) / run.id / "summary.json"
    if not path.exists():
        return PastRun(run.id, when, "unfinished", "killed, or still running")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        return PastRun(run.id, when, str(summary["status"]), _outcome(summary))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return PastRun(run.id, when, "unknown", f"{path}: is not as the run wrote it ({type(error).__name__})")


def _outcome(summary: dict[str, Any]) -> str:
    if summary["version"] is not None:
        return f"version {summary['version']}"
    if summary["blessed"] is False:
        return f"not blessed: {'; '.join(summary['reasons'])}"
    return "; ".join(summary["reasons"]).splitlines()[0] if summary["reasons"] else ""
