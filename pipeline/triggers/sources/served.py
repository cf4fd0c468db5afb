"""Reads from the serving root which version is served, when it was made and from which span."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hilir.pipeline.triggers.sources.payload import Span


@dataclass(frozen=True)
class Served:
    """A version with what its manifest says.

    `span` is None where the data has no spans; `fingerprint` is ExampleGen's of the data it read.
    """

    version: int
    created: datetime
    span: Span | None
    fingerprint: str


def find_served(model: Path, *, newest: bool = False) -> Served | None:
    """Returns the version that serves as `stable`, or the newest where nothing was released; None without any.

    Args:
        model: the folder of the model's versions.
        newest: take the newest in any case.

    Raises:
        OSError, ValueError: the release state or the manifest cannot be read.
    """
    versions = sorted(int(path.parent.name) for path in model.glob("*/manifest.json") if path.parent.name.isdigit())
    if not versions:
        return None
    stable = None if newest else _stable(model / "release.json")
    version = stable if stable in versions else versions[-1]
    manifest = json.loads((model / str(version) / "manifest.json").read_text(encoding="utf-8"))
    try:
        data = manifest.get("data", {})
        created = datetime.fromisoformat(manifest["created"])
        return Served(version, created, _span(data), data.get("fingerprint", ""))
    except KeyError as error:
        raise ValueError(f"{model}/{version}/manifest.json lacks {error}") from None


def _stable(path: Path) -> int | None:
    """Returns the version with the label `stable` in the release state."""
    if not path.exists():
        return None
    labels = json.loads(path.read_text(encoding="utf-8")).get("labels", {})
    return labels.get("stable") if isinstance(labels, dict) else None


def _span(data: Mapping[str, Any]) -> Span | None:
    # TFX calls data without spans span 0.
    if not data.get("span") and data.get("version") is None:
        return None
    return Span(data["span"], data.get("version"))
