"""The models of a project: their versions, and which of them gets which traffic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hilir.pipeline.versions.catalogue import Version, list_models, list_versions
from hilir.serving.errors import ServingError
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import State


@dataclass(frozen=True)
class VersionLine:
    """A version; what its manifest does not say is empty. `labels`: `stable`, `candidate`; `traffic`: percent."""

    number: int
    created: str = ""
    run_id: str = ""
    bytes: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    exports: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: Sequence[str] = ()
    traffic: float | None = None
    loaded: bool = False
    approved_by: str = ""


@dataclass(frozen=True)
class Model:
    """A model below a serving root; `fault` is why its release state cannot be read."""

    root: Path
    name: str
    versions: Sequence[VersionLine]
    state: State | None
    fault: str = ""

    @property
    def measures(self) -> list[str]:
        """The names of all metrics of its versions."""
        return list(dict.fromkeys(name for version in self.versions for name in version.metrics))


def read_models(roots: Sequence[Path]) -> Iterator[Model]:
    """Yields the models that have versions, by serving root and name."""
    for root in roots:
        for folder in list_models(root):
            versions = list_versions(folder)
            if versions:
                yield _read_model(root, folder.name, versions)


def _read_model(root: Path, name: str, versions: Sequence[Version]) -> Model:
    state, fault = None, ""
    try:
        state = Store(root).read(name)
    except ServingError as error:
        fault = str(error)
    return Model(root, name, [_read_version(version, state) for version in versions], state, fault)


def _read_version(version: Version, state: State | None) -> VersionLine:
    labels = [label for label, number in state.labels.items() if number == version.number] if state else []
    standing: dict[str, Any] = {
        "labels": labels,
        "traffic": state.traffic.get(version.number) if state else None,
        "loaded": state is not None and version.number in state.loaded,
        "approved_by": state.versions[version.number].approved_by if state and version.number in state.versions else "",
    }
    try:
        return VersionLine(
            number=version.number,
            created=version.created,
            run_id=version.run_id,
            bytes=version.size,
            metrics=version.metrics,
            exports={name: export["variants"] for name, export in version.manifest.get("exports", {}).items()},
            **standing,
        )
    except (OSError, ValueError, KeyError, TypeError):
        # Other programs' versions have no manifest, and one that is being removed has none any more.
        return VersionLine(version.number, **standing)
