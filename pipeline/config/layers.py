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

from hilir.pipeline.config.documented_keys import describe_form
from hilir.pipeline.errors import ConfigError

# Maps that are one value: who gives one gives all of it.
_WHOLE = ("data.splits", "export.labels")
# A reference to a reference to …: OmegaConf has refused circles by then.
_MOST_REFERENCES = 20
_MOST_VALUES, _MOST_LEVELS = 100_000, 100
# libyaml ends the process at some 10,000.
_DEEPEST = 1_000


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads YAML with days as strings: the configuration has no dates. A key that is there twice is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Returns the mapping of a node; YAML's own would take the last of equal keys."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                continue
            if key.value in lines:
                problem = f"the key '{key.value}' is there twice, first in line {lines[key.value]}"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            lines[key.value] = key.start_mark.line + 1
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


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
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        _require_shallow(text)
        values = yaml.load(text, Loader=_Loader)  # noqa: S506 - safe, and ten times as fast
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigError(
            f"{shown}: does not exist; give the path of a configuration, for example mymodel.yaml"
        ) from None
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read ({error.strerror}); check its permissions") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = str(getattr(error, "problem", error))
        # YAML's own words do not name the character.
        if "cannot start any token" in problem and mark and "\t" in text.splitlines()[mark.line]:
            raise ConfigError(f"{shown}{place}: is not valid YAML: there is a tab; indent with spaces") from None
        raise ConfigError(f"{shown}{place}: is not valid YAML: {problem}; fix that line") from None
    except RecursionError:
        raise ConfigError(f"{shown}: is nested too deeply to be read; a configuration has a few levels") from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{shown}: contains a {type(values).__name__}, not keys and values; 'hilir new --example taxi' writes one"
        )
    _require_small(values, shown)
    return Layer(shown, values)


def _require_shallow(text: str) -> None:
    """Raises RecursionError where libyaml would end the process: it makes nested values by calling itself."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise RecursionError


def _require_small(values: Any, shown: str) -> None:
    """Raises ConfigError if there are more values than anybody writes, which a few lines with anchors can stand for."""
    count, waiting = 0, [(values, 1)]
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > _MOST_VALUES or depth > _MOST_LEVELS:
            raise ConfigError(
                f"{shown}: has more than {_MOST_VALUES:,} values or {_MOST_LEVELS} levels once its anchors (&, *) are "
                "written out; write what is meant without them"
            )
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(part, depth + 1) for part in parts]


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
    except (OmegaConfBaseException, RecursionError) as error:
        raise ConfigError(f"--set {key}: the value cannot be read: {str(error).splitlines()[0]}") from None
    assert isinstance(values, dict)
    _require_small(values, f"--set {key}")
    return Layer(f"--set {key}", values, key)


def merge(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the values of all layers, the later ones winning, and the same as written, with references (`${...}`).

    Mappings are merged, lists and `data.splits` replaced. A setting of one key in it, such as `data.splits.train=8`,
    changes that key alone.

    Raises:
        ConfigError: a value refers to another one (`${...}`) that does not exist, or a list stands for a mapping.
    """
    try:
        merged = OmegaConf.create({})
        for layer in layers:
            for whole in _WHOLE:
                replaced = _find(layer.values, whole) is not None and not layer.key.startswith(f"{whole}.")
                if replaced and OmegaConf.select(merged, whole) is not None:
                    OmegaConf.update(merged, whole, None)
            _require_same_shape(OmegaConf.to_container(merged), layer)
            merged = OmegaConf.merge(merged, OmegaConf.create(layer.values))
        values, written = OmegaConf.to_container(merged, resolve=True), OmegaConf.to_container(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error, layers)) from None
    assert isinstance(values, dict)
    assert isinstance(written, dict)
    return _without_unset(values), _without_unset(written)


def _require_same_shape(merged: Any, layer: Layer) -> None:
    """Raises ConfigError where the layer has a list for a mapping, or the reverse, which cannot be merged."""
    waiting: list[tuple[str, Any, Any]] = [("", merged, layer.values)]
    while waiting:
        prefix, below, above = waiting.pop()
        for key in above.keys() & below.keys():
            kinds = type(below[key]), type(above[key])
            if kinds == (dict, dict):
                waiting.append((f"{prefix}{key}.", below[key], above[key]))
            elif set(kinds) == {dict, list}:
                is_list = isinstance(above[key], list)
                raise ConfigError(
                    f"{layer.name}: {prefix}{key}: is {'a list' if is_list else 'keys and values'}, and has to be "
                    f"{'keys and values' if is_list else 'a list'}{describe_form(prefix + key)}"
                )


def hide_environment(values: Any, written: Any, whole: Any) -> Any:
    """Returns the values as they may be shown and stored: what comes from the environment stays a reference to it.

    Args:
        values: what `merge` returns, or a part of it.
        written: the same with its references.
        whole: all of what was written.
    """
    if isinstance(values, dict) and isinstance(written, dict):
        return {key: hide_environment(value, written.get(key), whole) for key, value in values.items()}
    if isinstance(values, list) and isinstance(written, list):
        return [hide_environment(*both, whole) for both in zip(values, written, strict=True)]
    return written if _asks_environment(written, whole) else values


def _asks_environment(written: Any, whole: Any, depth: int = 0) -> bool:
    """Returns whether a value comes from the environment, itself or by what it refers to."""
    if isinstance(written, dict):
        return any(_asks_environment(each, whole, depth) for each in written.values())
    if not isinstance(written, str) or "${" not in written or depth > _MOST_REFERENCES:
        return False
    references = re.findall(r"\$\{([^${}:,]+)\}", written)
    return "oc.env:" in written or any(_asks_environment(_find(whole, key), whole, depth + 1) for key in references)


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
