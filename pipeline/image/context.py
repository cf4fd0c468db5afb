"""What of a project goes into its image: the Python modules of its folder, the configurations, and the schema."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError

_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.pyc", "node_modules")


def find_project(package: str, config: Path) -> Path:
    """Returns the folder that has the package: the current one, or that of the configuration.

    Raises:
        ConfigError: neither has it.
    """
    top = package.partition(".")[0]
    for folder in (Path.cwd(), config.absolute().parent):
        if (folder / top).is_dir() or (folder / f"{top}.py").is_file():
            return folder
    raise ConfigError(
        f"model.package: '{package}' is neither in {Path.cwd()} nor next to {config}; "
        f"type the command in the project's folder"
    )


def list_files(folder: Path, config: Config, path: Path) -> list[Path]:
    """Returns what is copied, relative to the project's folder: files, and folders with all below them.

    These are every module and package of the folder, since the model's package may import them, every YAML file there
    and next to the configuration, and the schema where it is a file of the project.

    Raises:
        ConfigError: the configuration is outside the project's folder.
    """
    if not path.absolute().is_relative_to(folder):
        raise ConfigError(f"{path}: is outside {folder}, which becomes the image's folder; move it there")
    top = (config.model.package or "").partition(".")[0]
    found = {*_modules(folder, top), *_configurations(folder), *_configurations(path.absolute().parent)}
    schema = config.schema_.path
    if schema is not None and not Path(schema).is_absolute() and (folder / schema).is_file():
        found.add(folder / schema)
    return sorted(each.relative_to(folder) for each in found)


def _modules(folder: Path, package: str) -> Iterator[Path]:
    for path in folder.iterdir():
        is_package = path.is_dir() and ((path / "__init__.py").is_file() or path.name == package)
        if (path.name.isidentifier() and is_package) or path.suffix == ".py":
            yield path


def _configurations(folder: Path) -> Iterator[Path]:
    return folder.glob("[!.]*.y*ml")


def write_context(folder: Path, files: list[Path], target: Path) -> None:
    """Copies the files, readable for everybody, as the steps run as a user of their own."""
    for name in files:
        source, copy = folder / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=_LEFT_OUT, copy_function=shutil.copyfile, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, copy)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
