"""The one reader of a serving root: models, their versions, and what lies with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hilir.pipeline.config.data_path import is_remote
from hilir.pipeline.errors import ConfigError

_MANIFEST = "manifest.json"
_LABELS = "assets.extra/labels.json"
_REPORT = "export.json"


@dataclass(frozen=True)
class Version:
    """A version in the folder of its model; what its files say is read when it is asked for."""

    model: Path
    number: int

    @property
    def folder(self) -> Path:
        """The folder of the SavedModel."""
        return self.model / str(self.number)

    @property
    def has_manifest(self) -> bool:
        """Returns whether there is a manifest; other programs' versions have none."""
        return (self.folder / _MANIFEST).exists()

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """What the version was made from.

        Raises:
            OSError, ValueError: there is none that can be read.
        """
        content = _read_json(self.folder / _MANIFEST)
        if not _is_manifest(content):
            raise ValueError(f"{self.folder / _MANIFEST}: is not a manifest as hilir writes it")
        return content

    @property
    def labels(self) -> dict[str, str]:
        """Of several labels the one of each output."""
        path = self.folder / _LABELS
        return _read_json(path) if path.exists() else {}

    @property
    def created(self) -> str:
        """When it was made, in ISO 8601."""
        return str(self.manifest["created"])

    @property
    def run_id(self) -> str:
        """The run that made it."""
        return str(self.manifest["run_id"])

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return sum(file["bytes"] for file in self.manifest["files"].values())

    @property
    def metrics(self) -> Mapping[str, float]:
        """Its metrics over all rows."""
        metrics: Mapping[str, float] = self.manifest["metrics"].get("overall", {})
        return metrics

    def export_folder(self, runtime: str) -> Path:
        """Returns the folder of an export (`tflite`, `tfjs`), made or not."""
        return self.model / "exports" / str(self.number) / runtime

    @cached_property
    def exports(self) -> dict[str, dict[str, Any]]:
        """The report of each export that was made, by runtime."""
        paths = sorted((self.model / "exports" / str(self.number)).glob(f"[!.]*/{_REPORT}"))
        return {path.parent.name: _read_json(path) for path in paths}


def open_root(root: str) -> Path:
    """Returns the folder of a serving root.

    Raises:
        ConfigError: it is on an object store, which only the steps of a pipeline read.
    """
    if is_remote(root):
        raise ConfigError(
            f"serving.root '{root}': is on an object store; list it with its own tools (gcloud storage ls)"
        )
    return Path(root)


def list_models(root: Path) -> list[Path]:
    """Returns the folders of the models by name."""
    return sorted(path for path in root.glob("[!.]*") if path.is_dir())


def list_versions(model: Path) -> list[Version]:
    """Returns the versions of a model, the newest first."""
    numbers = [int(path.name) for path in model.glob("[0-9]*") if path.name.isdigit() and path.is_dir()]
    return [Version(model, number) for number in sorted(numbers, reverse=True)]


def list_pushed(root: Path) -> Iterator[Version]:
    """Yields the versions of every model that have a manifest, the newest of each model first."""
    for model in list_models(root):
        yield from (version for version in list_versions(model) if version.has_manifest)


def find_version(model: Path, number: int) -> Version:
    """Returns the version of that number.

    Raises:
        ConfigError: there is none with a manifest.
    """
    version = Version(model, number)
    if not version.has_manifest:
        raise ConfigError(f"{model}: version {number} does not exist; 'hilir models list' shows the versions")
    return version


def find_stable(model: Path) -> int | None:
    """Returns the number with the label `stable` in the release state, None where nothing was released.

    Raises:
        OSError, ValueError: the release state cannot be read.
    """
    path = model / "release.json"
    labels = _read_json(path).get("labels", {}) if path.exists() else {}
    return labels.get("stable") if isinstance(labels, dict) else None


def _is_manifest(content: Any) -> bool:
    """Returns whether what is read of every version is of the right type, where it is there."""
    if not isinstance(content, dict) or not all(isinstance(content.get(key, ""), str) for key in ("created", "run_id")):
        return False
    files, metrics = content.get("files", {}), content.get("metrics", {})
    if not isinstance(files, dict) or not isinstance(metrics, dict):
        return False
    sizes = [file.get("bytes") if isinstance(file, dict) else None for file in files.values()]
    values = [value for part in metrics.values() for value in (part.values() if isinstance(part, dict) else [None])]
    return all(isinstance(size, int) for size in sizes) and all(isinstance(value, int | float) for value in values)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: is nested too deeply to be read") from None
    return found
