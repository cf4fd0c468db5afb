"""Versions come and go: a thread that polls storage, decides, and hands loads and unloads to other threads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hilir.serving.server.servables.model_config import ModelSettings
from hilir.serving.server.servables.policy import Action, Phase, Snapshot, State, next_action
from hilir.serving.server.servables.routing import Routing, RoutingTable
from hilir.serving.server.servables.servable import Servable
from hilir.serving.server.servables.storage import Fingerprint, Settling, find_versions, fingerprint
from hilir.serving.server.status import Code, StatusError

logger = logging.getLogger(__name__)
_TICK_SECONDS = 0.1
# TensorFlow Serving never forgets; here this many ended versions of a model stay in its status.
_KEPT_ENDED = 20
_KEPT_MODELS = 1000
# Unloading waits for requests; it must not wait behind a load.
_UNLOAD_THREADS = 2


@dataclass
class VersionStatus:
    """What the status API says of a version."""

    state: State
    code: Code = Code.OK
    message: str = ""


@dataclass
class Tracked:
    """One version in the manager's hands."""

    version: int
    path: str
    aspired: bool = True
    phase: Phase = Phase.NEW
    servable: Servable | None = None
    attempts: int = 0
    retry_at: float | None = None
    failed_as: Fingerprint | None = None


@dataclass(frozen=True)
class LifecycleOptions:
    """The flags that concern versions."""

    poll_seconds: float = 1.0
    load_threads: int = 1
    max_retries: int = 5
    retry_seconds: float = 60.0


@dataclass
class Lifecycle:
    """Brings the wanted versions of all models into service, and takes the others out of it.

    Args:
        load: loads and warms up (model, version, path); runs in a thread of its own.
        unloaded: called after a version was freed.
    """

    load: Callable[[str, int, str], Servable]
    unloaded: Callable[[], None]
    options: LifecycleOptions
    table: RoutingTable = field(default_factory=RoutingTable)
    models: dict[str, ModelSettings] = field(default_factory=dict)
    tracked: dict[str, dict[int, Tracked]] = field(default_factory=dict)
    statuses: dict[str, dict[int, VersionStatus]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    _settling: Settling = field(default_factory=lambda: Settling({}))
    seen: set[str] = field(default_factory=set)
    _logged: set[str] = field(default_factory=set)
    _stop: bool = False
    _polled: bool = False
    _next_poll: float = 0.0

    def __post_init__(self) -> None:
        self._loads = ThreadPoolExecutor(max(1, self.options.load_threads), "load")
        self._unloads = ThreadPoolExecutor(_UNLOAD_THREADS, "unload")
        self._thread = threading.Thread(target=self._work, name="lifecycle", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Stop polling and free every version once its requests are done."""
        with self.changed:
            self._stop = True
            self.changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._loads.shutdown(cancel_futures=True)
        self._unloads.shutdown()

    def set_models(self, models: Mapping[str, ModelSettings]) -> None:
        """Replace the set of models; versions of those left out will be unloaded."""
        with self.changed:
            for name in self.models.keys() - models.keys():
                self._aspire(name, {})
            for name in list(self.statuses)[:-_KEPT_MODELS]:
                if name not in models and name not in self.tracked:
                    del self.statuses[name]
            self.models = dict(models)
            self._polled = False
            self._next_poll = 0.0
            self.changed.notify_all()

    def set_labels(self, labels: Mapping[str, Mapping[str, int]]) -> None:
        """Replace all labels."""
        with self.changed:
            self.table.current = Routing(self.table.current.versions, labels)

    def _work(self) -> None:
        while True:
            with self.changed:
                if self._stop:
                    return
            try:
                self._poll_if_due()
                acted = self._act()
            except Exception:
                logger.exception("the version thread stumbled; it goes on")
                acted = False
            with self.changed:
                if not acted and not self._stop:
                    self.changed.wait(_TICK_SECONDS)

    def _poll_if_due(self) -> None:
        interval = self.options.poll_seconds
        now = time.monotonic()
        with self.changed:
            # Zero means once per configuration, a negative interval never.
            if interval < 0 or now < self._next_poll or (interval == 0 and self._polled):
                return
            self._polled = True
            self._next_poll = now + interval
            models = list(self.models.values())
        for settings in models:
            self._poll(settings)
        self._settling.forget_missing()

    def _poll(self, settings: ModelSettings) -> None:
        with self.changed:
            known = set(self.tracked.get(settings.name, ()))

        def is_usable(version: int, path: str) -> bool:
            # A version in the making counts as not there yet; polled once only, it would never be there.
            return version in known or self.options.poll_seconds <= 0 or self._settling.is_settled(path)

        try:
            found = find_versions(settings, is_usable)
        except StatusError as error:
            # Storage that cannot be read says nothing about versions: what serves goes on serving.
            self._log_once(error.message)
            with self.changed:
                self.seen.add(settings.name)
                self.changed.notify_all()
            return
        with self.changed:
            self.seen.add(settings.name)
            if self.models.get(settings.name) == settings:
                self._aspire(settings.name, found)

    def _log_once(self, message: str) -> None:
        if message not in self._logged:
            if len(self._logged) > 1000:
                self._logged.clear()
            self._logged.add(message)
            logger.error("%s", message)

    def _aspire(self, model: str, found: Mapping[int, str]) -> None:
        tracked = self.tracked.setdefault(model, {})
        for version, entry in list(tracked.items()):
            entry.aspired = version in found
            if not entry.aspired and entry.phase in (Phase.NEW, Phase.ERROR):
                del tracked[version]
        for version, path in found.items():
            entry = tracked.get(version) or Tracked(version, path)
            if entry.phase is Phase.ERROR and entry.failed_as not in (None, fingerprint(path)):
                logger.info("files of %s version %d have changed since it failed: trying again", model, version)
                entry = Tracked(version, path)
            if version not in tracked or tracked[version] is not entry:
                tracked[version] = entry
                self._set_state(model, version, State.START)
        if not tracked and model not in self.models:
            del self.tracked[model]
        self.changed.notify_all()

    def _act(self) -> bool:
        """Start at most one action per model."""
        acted = False
        with self.changed:
            for model, versions in list(self.tracked.items()):
                self._retry_due(model, versions)
                action = next_action(Snapshot(e.version, e.phase, e.aspired) for e in versions.values())
                if action is not None:
                    acted = True
                    self._begin(model, versions[action[1]], action[0])
        return acted

    def _begin(self, model: str, entry: Tracked, action: Action) -> None:
        if action is Action.LOAD:
            entry.phase = Phase.LOADING
            self._set_state(model, entry.version, State.LOADING)
            self._loads.submit(self._load, model, entry)
            return
        entry.phase = Phase.UNLOADING
        self._set_state(model, entry.version, State.UNLOADING)
        self.table.current = self.table.current.without_version(model, entry.version)
        self._unloads.submit(self._unload, model, entry)

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
                self._loads.submit(self._load, model, entry)

    def _load(self, model: str, entry: Tracked) -> None:
        attempted = fingerprint(entry.path)
        try:
            servable = self.load(model, entry.version, entry.path)
        except StatusError as error:
            self._load_failed(model, entry, error, attempted)
            return
        except Exception as error:
            logger.exception("loading %s version %d", model, entry.version)
            self._load_failed(model, entry, StatusError(Code.INTERNAL, repr(error)), attempted)
            return
        with self.changed:
            entry.servable = servable
            entry.phase = Phase.READY
            self.table.current = self.table.current.with_version(servable)
            self._set_state(model, entry.version, State.AVAILABLE)
        logger.info("model %s version %d is available", model, entry.version)

    def _load_failed(self, model: str, entry: Tracked, error: StatusError, attempted: Fingerprint) -> None:
        with self.changed:
            entry.attempts += 1
            if entry.aspired and entry.attempts <= self.options.max_retries and not self._stop:
                entry.retry_at = time.monotonic() + max(self.options.retry_seconds, 0.0)
                logger.warning(
                    "model %s version %d did not load (try %d): %s",
                    model,
                    entry.version,
                    entry.attempts,
                    error,
                )
                self.changed.notify_all()
                return
            entry.phase = Phase.ERROR
            entry.failed_as = attempted
            if not entry.aspired:
                self.tracked.get(model, {}).pop(entry.version, None)
            self._set_state(model, entry.version, State.END, error.code, error.message)
        logger.error("model %s version %d can't be loaded: %s", model, entry.version, error)

    def _unload(self, model: str, entry: Tracked) -> None:
        if entry.servable is not None:
            entry.servable.close()
        entry.servable = None
        with self.changed:
            entry.phase = Phase.GONE
            self._set_state(model, entry.version, State.END)
            versions = self.tracked.get(model, {})
            if versions.get(entry.version) is entry:
                del versions[entry.version]
            if not versions and model not in self.models:
                self.tracked.pop(model, None)
            # Wanted again in the meantime: the next poll has to find it.
            self._polled = False
            self._next_poll = 0.0 if entry.aspired else self._next_poll
        self.unloaded()
        logger.info("model %s version %d is unloaded", model, entry.version)

    def _set_state(self, model: str, version: int, state: State, code: Code = Code.OK, message: str = "") -> None:
        statuses = self.statuses.setdefault(model, {})
        statuses[version] = VersionStatus(state, code, message)
        ended = [number for number, status in sorted(statuses.items()) if status.state is State.END]
        for number in ended[:-_KEPT_ENDED]:
            del statuses[number]
        self.changed.notify_all()
