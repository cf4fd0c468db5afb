"""Removes runs, artifacts and versions that nothing needs any more.

Under the lock of the pipeline the folders of runs go first, which no other run reads: then a disk that is full has room
for the metadata store. In this runs are marked as removed and artifacts as DELETED, so that neither the cache nor a
resolver takes them. Folders of artifacts go afterwards, versions by a rename. Whatever a killed clean leaves is
referred to by nothing, and the next one removes it.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hilir.components.staging import PREFIX
from hilir.pipeline.clean.disk_use import measure
from hilir.pipeline.clean.retention import Item, Rule, choose_kept, find_needed
from hilir.pipeline.config.data_path import is_remote
from hilir.pipeline.config.nodes import check_name
from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.report.finding import Finding
from hilir.pipeline.run.metadata_store import is_removed, mark_removed
from hilir.pipeline.run.process_lock import ProcessLock
from hilir.pipeline.versions.catalogue import Version, list_versions

_CHECKPOINTS = "checkpoints"
_STAMP = re.compile(r"(\d{8}-\d{6})(-\d+)?")


@dataclass
class Plan:
    """What goes, and which versions stay for another reason than being new.

    Attributes:
        runs: ids of runs.
        artifacts: folders of artifacts.
        versions: numbers.
        protected: number and reason of versions that the rule alone would remove.
        size: bytes of all that goes.
    """

    runs: list[str] = field(default_factory=list)
    artifacts: list[Path] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    protected: dict[int, str] = field(default_factory=dict)
    size: int = 0


def clean(config: Config, rule: Rule, *, dry_run: bool) -> Plan:
    """Removes what nothing needs; returns what went, with `dry_run` what would.

    Raises:
        ConfigError: a run is in progress, or the folders are on an object store.
        ServingError: the release state cannot be read.
    """
    for key, place in (("pipeline.root", config.pipeline.root), ("serving.root", config.serving.root)):
        if is_remote(place):
            raise ConfigError(f"{key} '{place}': is on an object store; use its own rules for the age of objects")
    roots = [Path(config.pipeline.root) / name for name in (config.model.name, check_name(config))]
    roots = [root for root in roots if (root / "metadata.sqlite").exists()]
    plan = Plan()
    histories: list[tuple[_History, set[int]]] = []
    with _alone(roots):
        versions = list_versions(Path(config.serving.root) / config.model.name)
        plan.protected = find_protected(Path(config.serving.root), config.model.name)
        kept = choose_kept([_item(version) for version in versions], rule, map(str, plan.protected))
        for root in roots:
            made_kept = {
                _run_of(version) for version in versions if str(version.number) in kept and version.has_manifest
            }
            history = _History(root, Path(config.pipeline.runs))
            needed = history.plan(rule, made_kept, plan)
            kept |= {str(number) for number in history.list_pushed(needed)}
            histories.append((history, needed))
        plan.versions = [version for version in versions if str(version.number) not in kept]
        plan.size = sum(measure(folder).bytes for folder in _folders(plan, Path(config.pipeline.runs)))
        if not dry_run:
            _remove_runs(plan, Path(config.pipeline.runs))
            for history, needed in histories:
                history.retire(plan.runs, needed)
            for path in plan.artifacts:
                shutil.rmtree(path, ignore_errors=True)
            # Also where none goes: a killed clean may have left the exports of versions, which nothing else shows.
            if (Path(config.serving.root) / config.model.name).is_dir():
                _remove_versions(plan, config)
    return plan


def find_protected(root: Path, model: str) -> dict[int, str]:
    """Returns the versions that a release needs, each with the reason.

    Raises:
        ServingError: the release state cannot be read.
    """
    from hilir.serving.releases.release_store import Store

    if not root.is_dir():
        return {}
    state = Store(root).read(model)
    found: dict[int, str] = {}
    earlier = [event.stable for event in state.history if event.stable not in (None, state.stable)]
    for experiment in state.to_json().get("experiments", ()):
        if not experiment.get("ended_by"):
            found |= dict.fromkeys((experiment["stable"], experiment["candidate"]), "in an experiment")
    found |= dict.fromkeys((number for number in earlier[-1:] if number is not None), "previous stable")
    found |= dict.fromkeys(state.loaded, "loaded by servers")
    found |= dict.fromkeys(state.traffic, "has traffic")
    return found | {number: str(label) for label, number in state.labels.items()}


def check_use(config: Config) -> Finding:
    """Returns what the artifacts, runs and versions of a pipeline take on this disk."""
    name = config.model.name
    artifacts = sum(measure(Path(config.pipeline.root) / each).bytes for each in (name, check_name(config)))
    folder = Path(config.pipeline.runs)
    runs = sum(measure(folder / item.name).bytes for item in _list_folders(folder, name))
    parts = {"artifacts": artifacts, "runs": runs, "versions": measure(Path(config.serving.root) / name).bytes}
    used = ", ".join(f"{part} {size / 1e6:,.1f} MB" for part, size in parts.items())
    return Finding("disk use", f"{used} ('hilir clean --dry-run' shows what can be removed)")


class _History:
    """The metadata store of a pipeline, and the folders of its runs and artifacts."""

    def __init__(self, root: Path, runs: Path) -> None:
        from hilir.pipeline.run.metadata_store import connection, open_store

        self._root, self._runs = root, runs
        self._store: Any = open_store(connection(str(root)))
        self._contexts = [
            context for context in self._store.get_contexts_by_type("pipeline_run") if not is_removed(context)
        ]
        self._artifacts = {artifact.id: artifact for artifact in self._store.get_artifacts()}

    def plan(self, rule: Rule, made_kept: set[str], plan: Plan) -> set[int]:
        """Adds the runs and artifacts that go to the plan; returns the artifacts that stay."""
        items = [Item(context.name, time.time() - context.create_time_since_epoch / 1000) for context in self._contexts]
        known = {item.name for item in items}
        items += [item for item in _list_folders(self._runs, self._root.name) if item.name not in known]
        items.sort(key=lambda item: item.seconds)
        kept = choose_kept(items, rule, made_kept)
        plan.runs += [item.name for item in items if item.name not in kept]
        needed = find_needed(kept, self._touched(kept), self._find_pushes())
        folders = {os.path.abspath(self._artifacts[number].uri) for number in needed}
        # Also what no artifact refers to any more: the remains of killed runs.
        plan.artifacts += [path for path in self._list_folders() if os.path.abspath(path) not in folders]
        return needed

    def _touched(self, runs: set[str]) -> dict[str, set[int]]:
        found = {}
        for context in self._contexts:
            if context.name in runs:
                executions = [execution.id for execution in self._store.get_executions_by_context(context.id)]
                events = self._store.get_events_by_execution_ids(executions) if executions else []
                found[context.name] = {event.artifact_id for event in events}
        return found

    def _find_pushes(self) -> dict[int, int | None]:
        from hilir.components.lineage import find_inputs

        return {
            number: next(iter(find_inputs(self._store, number, "model")), None)
            for number, artifact in self._artifacts.items()
            if artifact.type == "PushedModel"
        }

    def _list_folders(self) -> Iterator[Path]:
        for path in sorted(self._root.glob("[!.]*/[!.]*/*")):
            if path.name.isdigit() and path.parent.name != _CHECKPOINTS:
                yield path

    def list_pushed(self, artifacts: set[int]) -> Iterator[int]:
        """Yields the versions that the artifacts record the push of."""
        for number in artifacts:
            version = self._artifacts[number].custom_properties["pushed_version"].string_value
            if version.isdigit():
                yield int(version)

    def retire(self, runs: list[str], needed: set[int]) -> None:
        """Marks runs as removed, and all other artifacts as DELETED."""
        from ml_metadata.proto import metadata_store_pb2

        deleted = metadata_store_pb2.Artifact.DELETED
        gone = [each for number, each in self._artifacts.items() if number not in needed and each.state != deleted]
        for artifact in gone:
            artifact.state = deleted
        contexts = [context for context in self._contexts if context.name in runs]
        for context in contexts:
            mark_removed(context)
        if gone:
            self._store.put_artifacts(gone)
        if contexts:
            self._store.put_contexts(contexts)


def _list_folders(runs: Path, name: str) -> Iterator[Item]:
    """Yields the runs by their folders, `<name>-<UTC time>`: one that failed early is not in the metadata store."""
    for path in runs.glob(f"{name}-*"):
        found = _STAMP.fullmatch(path.name.removeprefix(f"{name}-"))
        if found is not None and path.is_dir():
            began = datetime.strptime(found[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
            yield Item(path.name, time.time() - began.timestamp())


def _item(version: Version) -> Item:
    return Item(str(version.number), time.time() - version.folder.stat().st_mtime)


def _run_of(version: Version) -> str:
    try:
        return version.run_id
    except (OSError, ValueError, LookupError) as error:
        raise ConfigError(
            f"{version.folder}: its manifest.json cannot be read ({error}), so that nobody knows which run it needs; "
            f"remove the version, or put a copy of the file back"
        ) from None


def _folders(plan: Plan, runs: Path) -> Iterator[Path]:
    yield from plan.artifacts
    yield from (runs / run for run in plan.runs)
    for version in plan.versions:
        yield version.folder
        yield version.model / "exports" / str(version.number)


def _remove_runs(plan: Plan, runs: Path) -> None:
    for run in plan.runs:
        if (runs / run).is_dir():
            os.rename(runs / run, runs / f"{PREFIX}{run}")
    for rest in runs.glob(f"{PREFIX}*"):
        shutil.rmtree(rest, ignore_errors=True)


def _remove_versions(plan: Plan, config: Config) -> None:
    from hilir.components.pusher.numbered_versions import remove
    from hilir.serving.releases.release_store import Store

    root = Path(config.serving.root)
    with Store(root).locked():
        # A verb may have staged one since the plan was made.
        protected = find_protected(root, config.model.name)
        plan.versions = [version for version in plan.versions if version.number not in protected]
        remove(str(root / config.model.name), [version.number for version in plan.versions])


@contextmanager
def _alone(roots: list[Path]) -> Iterator[None]:
    """Holds the locks of the pipelines.

    Raises:
        ConfigError: a run holds one.
    """
    locks = []
    try:
        for root in roots:
            lock = ProcessLock(root, ".run")
            if not lock.acquire(0):
                raise ConfigError(f"a run (process {lock.holder}) uses {root}; type this again when it has ended")
            locks.append(lock)
        yield
    finally:
        for lock in locks:
            lock.release()
