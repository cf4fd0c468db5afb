"""What the status API says of versions."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from hilir.serving.server.servables.policy import State
from hilir.serving.server.status import Code

# TensorFlow Serving never forgets; here this many ended versions of a model stay in its status.
_KEPT_ENDED = 20
_KEPT_MODELS = 1000


@dataclass(frozen=True)
class VersionStatus:
    """What the status API says of a version."""

    state: State
    code: Code = Code.OK
    message: str = ""


class Statuses:
    """States of all versions by model; whoever shares it locks it."""

    def __init__(self) -> None:
        self._by_model: dict[str, dict[int, VersionStatus]] = {}

    def set(self, model: str, version: int, status: VersionStatus) -> None:
        """Replace the status of a version; of those that have ended only the newest are kept."""
        versions = self._by_model.setdefault(model, {})
        versions[version] = status
        ended = [number for number, entry in sorted(versions.items()) if entry.state is State.END]
        for number in ended[:-_KEPT_ENDED]:
            del versions[number]

    def drop(self, model: str, version: int) -> None:
        """Forget a version, if it is known."""
        self._by_model.get(model, {}).pop(version, None)

    def forget_models(self, is_needed: Callable[[str], bool]) -> None:
        """Drop the oldest models that nobody needs, so that the memory stays bounded."""
        for model in list(self._by_model)[:-_KEPT_MODELS]:
            if not is_needed(model):
                del self._by_model[model]

    def of_model(self, model: str) -> dict[int, VersionStatus]:
        """A copy of a model's statuses by version."""
        return dict(self._by_model.get(model, {}))

    def models(self) -> Collection[str]:
        """The models that have a status."""
        return tuple(self._by_model)
