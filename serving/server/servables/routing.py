"""Which loaded version answers a request: an immutable table that is replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hilir.serving.server.servables.servable import Servable
from hilir.serving.server.status import StatusError, invalid_argument, not_found


@dataclass(frozen=True)
class Routing:
    """Loaded versions by model (ascending), and labels by model."""

    versions: Mapping[str, Mapping[int, Servable]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def with_version(self, servable: Servable) -> Routing:
        """The table with one version more."""
        versions = {**self.versions.get(servable.name, {}), servable.version: servable}
        ordered = {version: versions[version] for version in sorted(versions)}
        return Routing({**self.versions, servable.name: ordered}, self.labels)

    def without_version(self, model: str, version: int) -> Routing:
        """The table with one version less."""
        rest = {number: servable for number, servable in self.versions.get(model, {}).items() if number != version}
        others = {name: versions for name, versions in self.versions.items() if name != model}
        return Routing({**others, model: rest} if rest else others, self.labels)

    def find(self, model: str, version: int | None, label: str | None) -> Servable:
        """The version that a model spec means (ServerCore::ServableRequestFromModelSpec).

        Raises:
            StatusError: no name, an unknown label, or nothing loaded that fits.
        """
        if not model:
            raise invalid_argument("ModelSpec has no name specified.")
        if label is not None:
            version = self.labels.get(model, {}).get(label)
            if version is None:
                raise invalid_argument(f"Unrecognized servable version label: {label}")
        loaded = self.versions.get(model)
        if version is None:
            if not loaded:
                raise not_found(f"Servable not found for request: Latest({model})")
            return next(reversed(loaded.values()))  # type: ignore[call-overload, no-any-return]
        servable = loaded.get(version) if loaded else None
        if servable is None:
            raise not_found(f"Servable not found for request: Specific({model}, {version})")
        return servable

    def label_of(self, model: str, version: int) -> str:
        """The first label that points to a version, or nothing."""
        labels = self.labels.get(model)
        if labels:
            for label, target in labels.items():
                if target == version:
                    return label
        return ""


def hold(table: RoutingTable, model: str, version: int | None, label: str | None) -> Servable:
    """Find a version and hold it; the caller releases it.

    Raises:
        StatusError: as `Routing.find`.
    """
    while True:
        servable = table.current.find(model, version, label)
        # It may have been taken out of service since; then the table has changed, too.
        if servable.acquire():
            return servable


@dataclass
class RoutingTable:
    """The one mutable place: readers take `current` once, writers hold the lifecycle's lock."""

    current: Routing = field(default_factory=Routing)


__all__ = ["Routing", "RoutingTable", "StatusError", "hold"]
