"""The versions below a serving root, read from their manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hilir.pipeline.config.paths import is_remote
from hilir.pipeline.errors import ConfigError


@dataclass(frozen=True)
class Version:
    """One version: size in bytes, metrics over all rows."""

    model: str
    version: int
    created: str
    run_id: str
    size: int
    metrics: Mapping[str, float]


def read_catalogue(root: str) -> Iterator[Version]:
    """Yields the versions of every model, the newest first; folders without a manifest are not ours and left out.

    Raises:
        ConfigError: the root is on an object store, which this reads only from inside a pipeline.
    """
    if is_remote(root):
        raise ConfigError(
            f"serving.root '{root}': is on an object store; list it with its own tools (gcloud storage ls)"
        )
    for folder in sorted(path for path in Path(root).glob("*") if path.is_dir()):
        numbers = sorted((int(path.name) for path in folder.iterdir() if path.name.isdigit()), reverse=True)
        for number in numbers:
            path = folder / str(number) / "manifest.json"
            if path.exists():
                manifest = json.loads(path.read_text(encoding="utf-8"))
                yield Version(
                    model=folder.name,
                    version=number,
                    created=manifest["created"],
                    run_id=manifest["run_id"],
                    size=sum(file["bytes"] for file in manifest["files"].values()),
                    metrics=manifest["metrics"].get("overall", {}),
                )
