"""The layers of a configuration: files and settings of the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hilir.pipeline.errors import ConfigError

# Maps that are one value: who gives one gives all of it.
_WHOLE = ("data.splits",)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads YAML with days as strings: the configuration has no dates."""


_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Layer:
    """Some values and where they were written; `key` is what a setting of the command line sets."""

    name: str
    values: dict[str, Any]
    key: str = ""


def read_file(path: Path, name: str | None = None) -> Layer:
    """Returns the layer that the YAML file contains.

    Raises:
        ConfigError: the file is missing, unreadable, not YAML or not a mapping.
    """
    shown = name or str(path)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - safe, and ten times as fast
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigError(
            f"{shown}: does not exist; give the path of a configuration, for example configs/taxi.yaml"
        ) from None
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read ({error.strerror}); check its permissions") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{shown}{place}: is not valid YAML: {getattr(error, 'problem', error)}; fix that line"
        ) from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{shown}: contains a {type(values).__name__}, not keys and values; see configs/base.yaml")
    return Layer(shown, values)


def read_setting(setting: str) -> Layer:
    """Returns the layer of one `a.b=c` from the command line; the value is YAML, or a string where it is not (`*.csv`).

    Raises:
        ConfigError: the setting has no '=' or no key.
    """
    key, equals, value = setting.partition("=")
    if not equals or not key.strip("."):
        raise ConfigError(f"--set {setting}: is not of the form key=value, for example --set train.epochs=3")
    try:
        values = OmegaConf.to_container(OmegaConf.from_dotlist([setting]))
    except yaml.YAMLError:
        plain = OmegaConf.create({})
        OmegaConf.update(plain, key, value)
        values = OmegaConf.to_container(plain)
    except OmegaConfBaseException as error:
        raise ConfigError(f"--set {setting}: the value cannot be read: {error}") from None
    assert isinstance(values, dict)
    return Layer(f"--set {key}", values, key)


def merge(layers: Sequence[Layer]) -> dict[str, Any]:
    """Returns the values of all layers, the later ones winning; mappings are merged, lists and `data.splits` replaced.

    A setting of one key in it, such as `data.splits.train=8`, changes that key alone.

    Raises:
        ConfigError: a value refers to another one (`${...}`) that does not exist.
    """
    try:
        merged = OmegaConf.create({})
        for layer in layers:
            for whole in _WHOLE:
                replaced = _find(layer.values, whole) is not None and not layer.key.startswith(f"{whole}.")
                if replaced and OmegaConf.select(merged, whole) is not None:
                    OmegaConf.update(merged, whole, None)
            merged = OmegaConf.merge(merged, OmegaConf.create(layer.values))
        values = OmegaConf.to_container(merged, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error, layers)) from None
    assert isinstance(values, dict)
    return _without_unset(values)


def _explain(error: OmegaConfBaseException, layers: Sequence[Layer]) -> str:
    """Returns where a reference leads nowhere, and what to do."""
    key = getattr(error, "full_key", None)
    place = f"{origin_of(layers, key)}: {key}" if key else f"{layers[-1].name}: a value"
    fact = str(error).splitlines()[0]
    missing = re.search(r"Environment variable '(\w+)' not found", fact)
    if missing is None:
        return f"{place}: {fact}"
    return f"{place}: the environment variable {missing[1]} is not set; type 'export {missing[1]}=…'"


def _find(values: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(values, dict):
            return None
        values = values.get(part)
    return values


def _without_unset(values: dict[Any, Any]) -> dict[str, Any]:
    """Drops what base.yaml marks as to be given (`???`), so that it is reported as missing."""
    return {
        str(key): _without_unset(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value != "???"
    }


def origin_of(layers: Sequence[Layer], key: str | Sequence[str]) -> str:
    """Returns the name of the last layer that sets the key, or else the mapping that is nearest above it.

    Args:
        layers: the layers, the last one winning.
        key: a dotted key, or its parts where a part may contain a dot itself.
    """
    parts = key.split(".") if isinstance(key, str) else list(key)
    depth, name = max(
        ((_depth(layer.values, parts), layer.name) for layer in reversed(layers)), key=lambda found: found[0]
    )
    return name if depth else layers[0].name


def _depth(values: Any, parts: Sequence[str]) -> int:
    """Returns how many parts of the key lead somewhere."""
    for depth, part in enumerate(parts):
        inner = {str(key): value for key, value in values.items()} if isinstance(values, dict) else {}
        if part not in inner:
            return depth
        values = inner[part]
    return len(parts)
