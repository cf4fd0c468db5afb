"""What a dashboard shows: the folders of a project, as its configurations name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hilir.pipeline.config import LoadedConfig
from hilir.pipeline.config.data_path import is_remote


@dataclass(frozen=True)
class Workplace:
    """The folders of a project, those that are on this machine.

    Attributes:
        runs: with the folders of runs.
        pipelines: with artifacts and metadata stores.
        roots: serving roots.
        watches: with the states of `hilir watch`.
    """

    runs: tuple[Path, ...]
    pipelines: tuple[Path, ...]
    roots: tuple[Path, ...]
    watches: tuple[Path, ...]


def find_workplace(configs: Sequence[LoadedConfig]) -> Workplace:
    """Returns the folders of all configurations together."""
    found = [each.config for each in configs]
    return Workplace(
        runs=_local([config.pipeline.runs for config in found]),
        pipelines=_local([config.pipeline.root for config in found]),
        roots=_local([config.serving.root for config in found]),
        watches=_local([config.watch.state for config in found]),
    )


def _local(paths: Sequence[str]) -> tuple[Path, ...]:
    return tuple(Path(path) for path in dict.fromkeys(paths) if not is_remote(path))
