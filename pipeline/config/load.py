"""Reads, merges and checks the layers of a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from hilir.pipeline.config.documented_keys import base_path
from hilir.pipeline.config.faults import describe
from hilir.pipeline.config.layers import Layer, hide_environment, merge, origin_of, read_file, read_setting
from hilir.pipeline.config.project import enter_project
from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError


@dataclass(frozen=True)
class LoadedConfig:
    """A checked configuration together with where each of its values came from.

    Attributes:
        config: the checked values.
        values: the same as they may be shown: what comes from the environment is a reference to it.
        layers: where they were written, the last one winning.
    """

    config: Config
    values: dict[str, Any]
    layers: tuple[Layer, ...]

    def origins(self) -> Iterator[tuple[str, Any, str]]:
        """Yields each leaf as (dotted key, value, name of the layer that set it)."""
        for key, value in leaves(self.values):
            yield key, value, origin_of(self.layers, key)

    @cached_property
    def text(self) -> str:
        """The effective configuration as YAML, as it is stored with a run."""
        return yaml.safe_dump(self.values, sort_keys=False, allow_unicode=True)


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted key, value) of every value that is not a non-empty mapping, in order."""
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{key}.")
        else:
            yield key, value


def load(path: str | Path, overlays: Sequence[str | Path] = (), settings: Sequence[str] = ()) -> LoadedConfig:
    """Returns the configuration: base.yaml < `path` < `overlays` < `settings` (each `a.b=c`).

    From then on the project's code can be imported (`project.enter_project`).

    Raises:
        ConfigError: with every fault found, each with its file and dotted key.
    """
    layers = [read_file(base_path(), "base.yaml"), read_file(Path(path))]
    layers += [read_file(Path(overlay)) for overlay in overlays]
    layers += [read_setting(setting) for setting in settings]
    values, written = merge(layers)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe(error, layers)) from None
    enter_project(Path(path))
    return LoadedConfig(config, hide_environment(values, written, written), tuple(layers))
