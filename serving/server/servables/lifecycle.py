"""Versions come and go: a thread that polls storage, decides, and hands loads and unloads to other threads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from hilir.serving.server.servables.load_pool import Load, LoadPool
from hilir.serving.server.servables.model_config import ModelSettings
from hilir.serving.server.servables.policy import Action, Phase, State, next_action
from hilir.serving.server.servables.routing import Routing, RoutingTable
from hilir.serving.server.servables.servable import Servable
from hilir.serving.server.servables.statuses import Statuses, VersionStatus
from hilir.serving.server.servables.storage.listing import Fingerprint
from hilir.serving.server.servables.storage.polling import Listing, StorageWatch
from hilir.serving.server.servables.tracked import Tracked
from hilir.serving.server.status import Code, StatusError
from hilir.serving.server.telemetry.notices import Notices

logger = logging.getLogger(__name__)
_TICK_SECONDS = 0.1
# While a version is being copied its files are looked at more often than that, to see when they stop changing.
_COPY_POLL_SECONDS = 0.25
# A server that starts waits for so long for a copy to be complete, then serves what there is.
_COPY_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class LifecycleOptions:
    """The flags that concern versions."""

    poll_seconds: float = 1.0
    load_threads: int = 1
    max_retries: int = 5
    retry_seconds: float = 60.0


class Lifecycle:
    """Brings the wanted versions of all models into service, and takes the others out of it.

    A model whose versions all vanish at once keeps the versions that serve (a lost mount, a folder that was moved; in
    TensorFlow Serving `servable_versions_always_present`). It stops being served when the configuration drops it.

    Args:
        load: loads and warms up (model, version, path); runs in a thread of its own.
        unloaded: called after a version was freed.
        options: the flags that concern versions.
    """

    def __init__(
        self,
        load: Load,
        unloaded: Callable[[], None],
        options: LifecycleOptions,
    ) -> None:
        self.table = RoutingTable()
        self._options = options
        self._models: Mapping[str, ModelSettings] = MappingProxyType({})
        self._tracked: dict[str, dict[int, Tracked]] = {}
        self._statuses = Statuses()
        self._changed = threading.Condition(threading.RLock())
        self._watch = StorageWatch(options.poll_seconds)
        self._notices = Notices(logger)
        # Models that were looked at, and whether a version was being copied.
        self._seen: dict[str, bool] = {}
        self._stop = False
        self._polled = False
        self._next_poll = 0.0
        self._pool = LoadPool(load, unloaded, options.load_threads)
        self._thread = threading.Thread(target=self._work, name="lifecycle", daemon=True)

    @property
    def models(self) -> Mapping[str, ModelSettings]:
        """The configured models; a snapshot that never changes."""
        return self._models

    def statuses(self, model: str) -> dict[int, VersionStatus]:
        """The states of a model's versions."""
        with self._changed:
            return self._statuses.of_model(model)

    def all_statuses(self) -> dict[str, dict[int, VersionStatus]]:
        """The states of the versions of all models."""
        with self._changed:
            return {model: self._statuses.of_model(model) for model in self._statuses.models()}

    def wait_while_pending(
        self, models: Collection[str], timeout: float | None = None, first_try: bool = False
    ) -> None:
        """Wait until each of `models` has an available version, or only ones that have failed for good.

        Args:
            models: names.
            timeout: seconds to wait at most; None for any time.
            first_try: do not wait any longer for a model whose versions were each tried once, nor long for a copy.
        """
        patience = time.monotonic() + _COPY_PATIENCE_SECONDS if first_try else None
        with self._changed:
            self._changed.wait_for(lambda: not any(self._is_pending(model, patience) for model in models), timeout)

    def _is_pending(self, model: str, patience: float | None) -> bool:
        if model in self.table.current.versions or model not in self._models:
            return False
        tracked = self._tracked.get(model, {}).values()
        if patience is not None:
            if model not in self._seen or (self._seen[model] and time.monotonic() < patience):
                return True
            return not all(entry.attempts for entry in tracked)
        return not tracked or any(entry.phase is not Phase.ERROR for entry in tracked)

    def start(self) -> None:
        """Start to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Stop polling and free every version once its requests are done."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.stop()

    def set_models(self, models: Mapping[str, ModelSettings]) -> None:
        """Replace the set of models; versions of those left out will be unloaded."""
        with self._changed:
            for name in self._models.keys() - models.keys():
                self._aspire(name, Listing())
            self._statuses.forget_models(lambda name: name in models or name in self._tracked)
            self._models = MappingProxyType(dict(models))
            self._polled = False
            self._next_poll = 0.0
            self._changed.notify_all()

    def set_labels(self, labels: Mapping[str, Mapping[str, int]]) -> None:
        """Replace all labels."""
        with self._changed:
            self.table.current = Routing(self.table.current.versions, labels)

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._stop:
                    return
            try:
                self._poll_if_due()
                acted = self._act()
            except Exception:
                logger.exception("looking after versions failed; trying again")
                acted = False
            with self._changed:
                if not acted and not self._stop:
                    self._changed.wait(_TICK_SECONDS)

    def _poll_if_due(self) -> None:
        interval = self._options.poll_seconds
        with self._changed:
            # Zero means once per configuration, a negative interval never.
            if interval < 0 or time.monotonic() < self._next_poll or (interval == 0 and self._polled):
                return
            self._polled = True
            models = self._models
            # Whoever wants another poll while this one runs resets it.
            self._next_poll = time.monotonic() + interval
        for settings in models.values():
            self._poll(settings)
        self._watch.forget_except(models)
        self._notices.keep(models)
        if self._watch.is_moving():
            with self._changed:
                self._next_poll = min(self._next_poll, time.monotonic() + _COPY_POLL_SECONDS)

    def _poll(self, settings: ModelSettings) -> None:
        name = settings.name
        with self._changed:
            tracked = dict(self._tracked.get(name, {}))
            failed = {
                n: entry.failed_as for n, entry in tracked.items() if entry.has_failed and entry.failed_as is not None
            }
        listing, fault = None, None
        try:
            listing = self._watch.look(settings, tracked, failed)
        except StatusError as error:
            fault = error.message
        with self._changed:
            self._seen[name] = bool(listing and listing.waiting)
            self._changed.notify_all()
            if self._models.get(name) == settings:
                self._follow(settings, listing, fault)

    def _follow(self, settings: ModelSettings, listing: Listing | None, fault: str | None) -> None:
        """Act on a look at a base path; one that cannot be listed, None, says nothing about versions."""
        name = settings.name
        serves = name in self.table.current.versions
        waiting = {} if listing is None else listing.waiting
        if listing is not None and listing.is_gone and serves:
            listing, fault = None, f"no versions of model {name} are left under {settings.base_path}"
        if fault is not None and serves:
            fault += "; the versions that are loaded continue to be served"
        self._notices.update(name, [] if fault is None else [fault])
        if listing is not None:
            self._aspire(name, listing)
        self._show_waiting(name, waiting)

    def _show_waiting(self, model: str, waiting: Mapping[int, str]) -> None:
        """Have the status say what versions lack that are being copied."""
        tracked = self._tracked.get(model, {})
        statuses = self._statuses.of_model(model)
        for version, reason in waiting.items():
            entry = tracked.get(version)
            if entry is None or entry.has_failed:
                state = statuses[version].state if entry is not None and version in statuses else State.START
                self._set_state(model, version, state, Code.UNAVAILABLE, f"not complete yet: {reason}")
        for version, status in statuses.items():
            if status.state is State.START and version not in tracked and version not in waiting:
                self._statuses.drop(model, version)

    def _aspire(self, model: str, listing: Listing) -> None:
        tracked = self._tracked.setdefault(model, {})
        for version, entry in list(tracked.items()):
            entry.aspired = version in listing.wanted
            if not entry.aspired and entry.phase in (Phase.NEW, Phase.ERROR):
                del tracked[version]
        for version, path in listing.wanted.items():
            if version not in tracked:
                tracked[version] = Tracked(version, path)
                self._set_state(model, version, State.START)
            elif version in listing.repaired and tracked[version].has_failed:
                self._try_again(model, tracked[version])
        if not tracked and model not in self._models:
            del self._tracked[model]
        self._changed.notify_all()

    def _try_again(self, model: str, entry: Tracked) -> None:
        """The files have changed since the version failed to load."""
        logger.info("files of %s version %d have changed since it failed to load: trying again", model, entry.version)
        entry.forget_failure()
        self._set_state(model, entry.version, State.START)

    def _act(self) -> bool:
        """Start at most one action per model."""
        acted = False
        with self._changed:
            for model, versions in list(self._tracked.items()):
                self._retry_due(model, versions)
                action = next_action(entry.snapshot() for entry in versions.values())
                if action is not None:
                    acted = True
                    self._begin(model, versions[action[1]], action[0])
        return acted

    def _begin(self, model: str, entry: Tracked, action: Action) -> None:
        if action is Action.LOAD:
            entry.phase = Phase.LOADING
            self._set_state(model, entry.version, State.LOADING)
            self._start_load(model, entry)
            return
        entry.phase = Phase.UNLOADING
        self._set_state(model, entry.version, State.UNLOADING)
        self.table.current = self.table.current.without_version(model, entry.version)
        self._pool.unload(entry.close, partial(self._unload_ended, model, entry))

    def _start_load(self, model: str, entry: Tracked) -> None:
        self._pool.load(model, entry.version, entry.path, partial(self._load_ended, model, entry))

    def _retry_due(self, model: str, versions: Mapping[int, Tracked]) -> None:
        for entry in versions.values():
            if entry.retry_at is None:
                continue
            if not entry.aspired:
                entry.retry_at = None
                entry.phase = Phase.ERROR
                self._set_state(model, entry.version, State.END, Code.CANCELLED, "load was cancelled")
            elif time.monotonic() >= entry.retry_at:
                entry.retry_at = None
                self._start_load(model, entry)

    def _load_ended(self, model: str, entry: Tracked, outcome: Servable | StatusError, attempted: Fingerprint) -> None:
        if isinstance(outcome, StatusError):
            self._load_failed(model, entry, outcome, attempted)
            return
        with self._changed:
            entry.servable = outcome
            entry.phase = Phase.READY
            self.table.current = self.table.current.with_version(outcome)
            self._set_state(model, entry.version, State.AVAILABLE)
        logger.info("model %s version %d is available", model, entry.version)

    def _load_failed(self, model: str, entry: Tracked, error: StatusError, attempted: Fingerprint) -> None:
        with self._changed:
            entry.attempts += 1
            entry.failed_as = attempted
            if entry.aspired and entry.attempts <= self._options.max_retries and not self._stop:
                entry.retry_at = time.monotonic() + max(self._options.retry_seconds, 0.0)
                logger.warning(
                    "model %s version %d did not load (try %d): %s",
                    model,
                    entry.version,
                    entry.attempts,
                    error,
                )
                self._set_state(model, entry.version, State.LOADING, error.code, error.message)
                return
            entry.phase = Phase.ERROR
            if not entry.aspired:
                self._tracked.get(model, {}).pop(entry.version, None)
            self._set_state(model, entry.version, State.END, error.code, error.message)
        logger.error("model %s version %d can't be loaded: %s", model, entry.version, error)

    def _unload_ended(self, model: str, entry: Tracked) -> None:
        with self._changed:
            entry.phase = Phase.GONE
            self._set_state(model, entry.version, State.END)
            versions = self._tracked.get(model, {})
            if versions.get(entry.version) is entry:
                del versions[entry.version]
            if not versions and model not in self._models:
                self._tracked.pop(model, None)
            # Wanted again in the meantime: the next poll has to find it.
            self._polled = False
            self._next_poll = 0.0 if entry.aspired else self._next_poll
        logger.info("model %s version %d is unloaded", model, entry.version)

    def _set_state(self, model: str, version: int, state: State, code: Code = Code.OK, message: str = "") -> None:
        self._statuses.set(model, version, VersionStatus(state, code, message))
        self._changed.notify_all()
