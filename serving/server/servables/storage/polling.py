"""Polling of base paths: which versions are wanted, which of them are still being copied, which were repaired."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from hilir.serving.server.servables.model_config import ModelSettings
from hilir.serving.server.servables.policy import choose_versions
from hilir.serving.server.servables.storage.completeness import find_missing_part, is_verified
from hilir.serving.server.servables.storage.listing import Fingerprint, Found, fingerprint, is_remote, list_versions
from hilir.serving.server.telemetry.notices import Notices

logger = logging.getLogger(__name__)
# A version whose files have not changed for so long is not being copied any more.
_SETTLED_SECONDS = 2.0
# A version that looks complete need not be watched for as long: it is loaded within one poll of its last change.
_POLL_FRACTION = 0.6


@dataclass(frozen=True)
class Listing:
    """What a look at a model's base path has shown.

    Attributes:
        wanted: number -> path of the versions that can be loaded, and that the policy chooses.
        waiting: number -> what is still missing, of versions that are being copied.
        repaired: versions whose files have changed since they failed to load.
        is_gone: nothing that could be loaded was there to choose from.
    """

    wanted: Mapping[int, str] = field(default_factory=dict)
    waiting: Mapping[int, str] = field(default_factory=dict)
    repaired: frozenset[int] = frozenset()
    is_gone: bool = False


class StorageWatch:
    """Remembers between looks what has changed; for one thread.

    Args:
        poll_seconds: time between looks; 0 or less for a single one, which takes every version as it is.
    """

    def __init__(self, poll_seconds: float) -> None:
        self._poll_seconds = poll_seconds
        self._changes: dict[str, dict[str, tuple[Fingerprint, float]]] = {}
        self._notices = Notices(logger)

    def is_moving(self) -> bool:
        """True if some version was being copied at the last look at its model."""
        return any(self._changes.values())

    def forget_except(self, models: Collection[str]) -> None:
        """Drop what is remembered of other models."""
        self._changes = {model: seen for model, seen in self._changes.items() if model in models}
        self._notices.keep(models)

    def look(
        self, settings: ModelSettings, known: Collection[int] = (), failed: Mapping[int, Fingerprint] | None = None
    ) -> Listing:
        """Look at a model's base path.

        Args:
            settings: the model.
            known: versions that were found complete before.
            failed: those of them that did not load, and what their files looked like then.

        Raises:
            StatusError: the base path cannot be listed, so that nothing is known about versions.
        """
        before = self._changes.pop(settings.name, {})
        found = list_versions(settings.name, settings.base_path)
        changes: dict[str, tuple[Fingerprint, float]] = {}
        waiting: dict[int, str] = {}

        def is_usable(version: int, path: str) -> bool:
            reason = self._find_reason(path, before, changes)
            if reason is not None:
                waiting[version] = reason
            return reason is None

        usable = dict(found.versions)
        while True:
            wanted = choose_versions(settings.policy, usable)
            refused = [number for number, path in wanted.items() if number not in known and not is_usable(number, path)]
            if not refused:
                break
            for number in refused:
                del usable[number]
        repaired = {
            number
            for number, seen in (failed or {}).items()
            if number in wanted and fingerprint(wanted[number]) != seen and is_usable(number, wanted[number])
        }
        if changes:
            self._changes[settings.name] = changes
        self._report(settings, found, wanted, waiting)
        return Listing(wanted, waiting, frozenset(repaired), not wanted and (not found.versions or bool(waiting)))

    def _find_reason(
        self, path: str, before: Mapping[str, tuple[Fingerprint, float]], changes: dict[str, tuple[Fingerprint, float]]
    ) -> str | None:
        """Why a version cannot be loaded yet; None if it is complete, or if nobody adds to it any more."""
        if self._poll_seconds <= 0 or is_remote(path) or is_verified(path):
            return None
        current, now = fingerprint(path), time.monotonic()
        last = before.get(path)
        if last is None:
            newest = max((time_ns for _, _, time_ns in current), default=time.time_ns())
            age = time.time() - newest / 1e9
            since = now - (age if age > _SETTLED_SECONDS else 0.0)
        else:
            since = last[1] if last[0] == current else now
        missing = find_missing_part(path)
        needed = min(_POLL_FRACTION * self._poll_seconds, _SETTLED_SECONDS) if missing is None else _SETTLED_SECONDS
        if now - since >= needed:
            return None
        changes[path] = current, since
        return missing or "its files are still changing"

    def _report(
        self, settings: ModelSettings, found: Found, wanted: Mapping[int, str], waiting: Mapping[int, str]
    ) -> None:
        """Log what is wrong with a base path, once."""
        base = settings.base_path
        messages = [f"{base}/{name} is not served as a version: {fault}" for name, fault in found.faults.items()]
        absent = (settings.policy.specific or frozenset()) - wanted.keys() - waiting.keys()
        if absent:
            messages.append(f"versions {sorted(absent)} of model {settings.name} are asked for and not found")
        elif not found.versions:
            messages.append(
                f"no versions of model {settings.name} under {base}. "
                "Did you forget to name your leaf directory as a number (eg. '/1/')?"
            )
        self._notices.update(settings.name, messages, logging.WARNING)
