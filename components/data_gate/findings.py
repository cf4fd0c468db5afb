"""What the gate found and accepted, kept with the run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tfx.dsl.io import fileio

_NAME = "BLESSED"


@dataclass(frozen=True)
class DataReport:
    """What the gate found.

    Attributes:
        checked_against: the schema; empty where there was none but that of the data itself.
        anomalies: sentences on those that were accepted.
        filled: what is in the place of empty cells, by column.
        drift_since: the version whose data this data was compared with; empty where drift was not looked at.
        drift: per feature that drifted `feature`, `level`, `size` in bits, `what`, `detail`, and the `line` of it all.
    """

    checked_against: str = ""
    anomalies: list[str] = field(default_factory=list)
    filled: dict[str, Any] = field(default_factory=dict)
    drift_since: str = ""
    drift: list[dict[str, Any]] = field(default_factory=list)


def write_report(uri: str, report: DataReport) -> None:
    """Writes the report into the artifact."""
    fileio.makedirs(uri)
    with fileio.open(os.path.join(uri, _NAME), "w") as file:
        file.write(json.dumps(asdict(report)))


def read_report(uri: str) -> DataReport | None:
    """Returns the report, None where the artifact has none."""
    path = os.path.join(uri, _NAME)
    if not fileio.exists(path):
        return None
    with fileio.open(path, "r") as file:
        content = file.read()
    return DataReport(**json.loads(content)) if content else None


def write_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yields what a person should know of the data: what was accepted, and drift that is large enough to matter."""
    if not report["checked_against"]:
        yield "data: there was no schema to check it against; the one inferred from it is for the next run"
    if report.get("filled"):
        values = ", ".join(f"{name} {value!r}" for name, value in report["filled"].items())
        yield (
            f"data: columns have empty cells, and preprocessing_fn needs a value in each row; in their place, as when "
            f"the model serves: {values}"
        )
    yield from (f"data: accepted: {line}" for line in report["anomalies"])
    large = [each["line"] for each in report["drift"] if each["level"] != "seen"]
    yield from (f"data: drift since {report['drift_since']}: {line}" for line in large)
