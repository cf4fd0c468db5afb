"""Whose runs and versions a folder holds: two projects with one model name must not share it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hilir.components.staging import write_file
from hilir.components.user_modules import find_folders
from hilir.pipeline.config import LoadedConfig
from hilir.pipeline.config.data_path import is_remote
from hilir.pipeline.errors import ConfigError

_NAME = ".project.json"


@dataclass(frozen=True)
class Project:
    """A project by its configuration and the folder of its model package, both absolute."""

    config: str
    package: str


def identify(loaded: LoadedConfig) -> Project:
    """Returns the project of a configuration."""
    folder = next(iter(find_folders(loaded.config.model.package)), "")
    return Project(str(Path(loaded.layers[1].name).resolve()), str(Path(folder).resolve()))


def require_own(loaded: LoadedConfig) -> None:
    """Raises ConfigError if the pipeline's folder or the model's belongs to another project that is still there.

    Folders on an object store are not looked at.
    """
    config, project = loaded.config, identify(loaded)
    faults = []
    for key, root in (("pipeline.root", config.pipeline.root), ("serving.root", config.serving.root)):
        other = None if is_remote(root) else _read(Path(root) / config.model.name)
        if other is not None and _differ(other, project):
            faults.append(
                f"{key}: {root}/{config.model.name} belongs to the project of {other.config}, which has the same "
                f"model.name '{config.model.name}'; give this one another model.name, or another {key}"
            )
    if faults:
        raise ConfigError(faults)


def claim(loaded: LoadedConfig) -> None:
    """Notes the project in those of its folders that exist by now."""
    config = loaded.config
    content = json.dumps(asdict(identify(loaded))).encode()
    for root in (config.pipeline.root, config.serving.root):
        folder = Path(root) / config.model.name
        if not is_remote(root) and folder.is_dir():
            write_file(folder / _NAME, content)


def _read(folder: Path) -> Project | None:
    try:
        return Project(**json.loads((folder / _NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _differ(other: Project, project: Project) -> bool:
    """Says whether they are two projects; one that was moved, or is gone, has no claim."""
    same = other.config == project.config or other.package == project.package
    return not same and Path(other.config).exists()
