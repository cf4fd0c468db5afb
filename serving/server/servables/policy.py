"""Pure decisions about versions: which of those on disk are wanted, and what to load or unload next.

Rules of file_system_storage_path_source.cc and availability_preserving_policy.cc.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hilir.serving.server.servables.model_config import VersionPolicy

_NUMBER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)


class State(enum.IntEnum):
    """ModelVersionStatus.State of get_model_status.proto."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class Phase(enum.Enum):
    """Where a version is in its life, as the policy sees it (LoaderHarness::State)."""

    NEW = "new"
    LOADING = "loading"
    READY = "ready"
    UNLOADING = "unloading"
    ERROR = "error"
    GONE = "gone"


class Action(enum.Enum):
    """What to do with a version."""

    LOAD = "load"
    UNLOAD = "unload"


@dataclass(frozen=True)
class Snapshot:
    """What the policy knows of one version."""

    version: int
    phase: Phase
    aspired: bool


def parse_version(name: str) -> int | None:
    """A directory's version number: any spelling of a 64-bit integer, else None."""
    if not _NUMBER.fullmatch(name):
        return None
    number = int(name)
    return number if -(2**63) <= number < 2**63 else None


def index_versions(children: Iterable[str]) -> dict[int, str]:
    """Version number -> directory name; of two names for one number the later in sorted order counts."""
    found: dict[int, str] = {}
    for child in sorted(set(children)):
        number = parse_version(child)
        if number is not None:
            found[number] = child
    return found


def choose_versions(policy: VersionPolicy, found: Mapping[int, str]) -> dict[int, str]:
    """The versions that a policy wants, of those found."""
    if policy.all:
        return dict(found)
    if policy.specific is not None:
        return {version: found[version] for version in sorted(found) if version in policy.specific}
    return {version: found[version] for version in sorted(found, reverse=True)[: policy.latest]}


def next_action(snapshots: Iterable[Snapshot]) -> tuple[Action, int] | None:
    """The next step for one model under the availability-preserving policy.

    The lowest unwanted version goes as soon as nothing is wanted, a wanted one is ready, or another unwanted one
    still serves; otherwise the highest new wanted version is loaded.
    """
    versions = list(snapshots)
    wanted = any(snapshot.aspired for snapshot in versions)
    wanted_ready = any(snapshot.aspired and snapshot.phase is Phase.READY for snapshot in versions)
    unwanted_ready = [s.version for s in versions if not s.aspired and s.phase is Phase.READY]
    if unwanted_ready and (not wanted or wanted_ready or len(unwanted_ready) > 1):
        return Action.UNLOAD, min(unwanted_ready)
    new = [s.version for s in versions if s.aspired and s.phase is Phase.NEW]
    return (Action.LOAD, max(new)) if new else None
