"""Where the folders of runs are, and how a run is found by its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hilir.pipeline.errors import ConfigError

# One of these is in the folder of every run.
_SOURCES = ("config.yaml", "specification.json")


def list_places(settings: Sequence[str] = ()) -> list[Path]:
    """Returns the folders that may have runs: of `--set`, the default one, and of the configurations here."""
    return list(dict.fromkeys(_list_places(settings)))


def _list_places(settings: Sequence[str]) -> Iterator[Path]:
    import yaml

    from hilir.serving.projects import find_configs

    yield from (Path(value) for key, _, value in (each.partition("=") for each in settings) if key == "pipeline.runs")
    yield Path("runs")
    for config in find_configs():
        try:
            section = yaml.safe_load(config.read_text(encoding="utf-8")).get("pipeline")
        except (OSError, ValueError, AttributeError, RecursionError, yaml.YAMLError):
            # Whoever reads it as a configuration says what is wrong with it.
            continue
        if isinstance(section, dict) and isinstance(section.get("runs"), str):
            yield Path(section["runs"])


def list_folders(place: Path) -> list[Path]:
    """Returns the folders of runs in one place, the newest first by the time in their names."""
    if not place.is_dir():
        return []
    found = (path for path in place.iterdir() if any((path / name).is_file() for name in _SOURCES))
    return sorted(found, key=lambda path: (_stamp(path.name), path.name), reverse=True)


def _stamp(name: str) -> str:
    """Returns the UTC time in a run's name, `<model>-<date>-<time>` with a number if there were several at once."""
    parts = name.split("-")
    first = next((place for place, part in enumerate(parts) if len(part) == 8 and part.isdecimal()), None)
    return "-".join(parts[first:]) if first is not None else ""


def find_folder(run_id: str | None, settings: Sequence[str] = ()) -> Path:
    """Returns the folder of a run; of the newest one where no name is given.

    Raises:
        ConfigError: there is no such run.
    """
    places = list_places(settings)
    if run_id is None:
        newest = (folder for place in places for folder in list_folders(place)[:1])
        found = max(newest, key=lambda path: _stamp(path.name), default=None)
        if found is None:
            raise ConfigError(f"there is no run in {', '.join(map(str, places))}; type 'hilir run'")
        return found
    for place in places:
        if "/" not in run_id and run_id not in ("", ".", "..") and (place / run_id).is_dir():
            return place / run_id
    raise ConfigError(
        f"there is no run '{run_id}' in {', '.join(map(str, places))}; 'hilir runs list CONFIG' lists the runs "
        f"there are, and --set pipeline.runs=FOLDER names another folder of runs"
    )
