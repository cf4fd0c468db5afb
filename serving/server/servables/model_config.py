"""What is to be served: TensorFlow Serving's ModelServerConfig, checked and frozen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from hilir.serving.server.protos import parse_text_proto
from hilir.serving.server.status import Code, StatusError, invalid_argument

PLATFORM = "tensorflow"
_TENSORFLOW_TYPE = 1


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions on disk to serve: the `latest` so many, `all`, or `specific` ones."""

    latest: int = 1
    all: bool = False
    specific: frozenset[int] | None = None


@dataclass(frozen=True)
class RequestLogging:
    """A model's `logging_config`: where its sampled requests go."""

    prefix: str
    rate: float


@dataclass(frozen=True)
class ModelSettings:
    """One entry of the model config list."""

    name: str
    base_path: str
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = field(default_factory=dict)
    logging: RequestLogging | None = None


def parse_config(text: str, path: str) -> model_server_config_pb2.ModelServerConfig:
    """The ModelServerConfig in text format that was read from `path`.

    Raises:
        ServingConfigError: it is not one.
    """
    return parse_text_proto(text, model_server_config_pb2.ModelServerConfig(), path)


def single_model(name: str, base_path: str) -> model_server_config_pb2.ModelServerConfig:
    """The config that `--model_name` and `--model_base_path` stand for."""
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform=PLATFORM)
    return config


def check_config(config: Any) -> dict[str, ModelSettings]:
    """A ModelConfigList as settings by model name (ValidateModelConfigList, GetPlatform).

    Raises:
        StatusError: names that repeat, relative paths, unknown platforms.
    """
    settings: dict[str, ModelSettings] = {}
    for entry in config.model_config_list.config:
        if entry.name in settings:
            raise invalid_argument(f"Illegal to list model {entry.name} multiple times in config list")
        settings[entry.name] = _settings(entry)
    for entry in config.model_config_list.config:
        if not (entry.base_path.startswith("/") or "://" in entry.base_path):
            raise invalid_argument(
                f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}"
            )
    for entry in config.model_config_list.config:
        platform = platform_of(entry)
        if platform != PLATFORM:
            raise invalid_argument(f"Model {entry.name} requests unsupported platform {platform}")
    return settings


def check_platforms(old: Any, new: Any) -> None:
    """A model's platform may not change (ValidateNoModelsChangePlatforms).

    Raises:
        StatusError: it does.
    """
    known = {entry.name: platform_of(entry) for entry in old.model_config_list.config}
    for entry in new.model_config_list.config:
        platform = platform_of(entry)
        if known.get(entry.name, platform) != platform:
            raise invalid_argument(
                f"Illegal to change a model's platform. For model {entry.name} platform was "
                f"{known[entry.name]} and new platform requested is {platform}"
            )


def platform_of(entry: Any) -> str:
    """A model's platform, by its name or by the deprecated number.

    Raises:
        StatusError: both are given, or neither.
    """
    if entry.model_type:
        if entry.model_platform:
            raise invalid_argument(
                "Illegal setting both ModelServerConfig::model_type (deprecated) "
                f"and ModelServerConfig::model_platform, model name is {entry.name}"
            )
        if entry.model_type != _TENSORFLOW_TYPE:
            raise invalid_argument(f"ModelServerConfig::model_type choice {entry.model_type} not supported.")
        return PLATFORM
    if not entry.model_platform:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) "
            f"nor ModelServerConfig::model_platform, model name is {entry.name}"
        )
    return str(entry.model_platform)


def _settings(entry: Any) -> ModelSettings:
    return ModelSettings(
        name=entry.name,
        base_path=entry.base_path,
        policy=_policy(entry.model_version_policy),
        labels=dict(entry.version_labels),
        logging=_logging(entry),
    )


def _policy(policy: Any) -> VersionPolicy:
    match policy.WhichOneof("policy_choice"):
        case "all":
            return VersionPolicy(all=True)
        case "specific":
            return VersionPolicy(specific=frozenset(policy.specific.versions))
    return VersionPolicy(latest=max(policy.latest.num_versions, 1))


def _logging(entry: Any) -> RequestLogging | None:
    if not entry.HasField("logging_config"):
        return None
    collector = entry.logging_config.log_collector_config
    if not collector.filename_prefix:
        raise StatusError(
            Code.INVALID_ARGUMENT,
            f"logging_config of model {entry.name} has no log_collector_config.filename_prefix",
        )
    return RequestLogging(collector.filename_prefix, entry.logging_config.sampling_config.sampling_rate)


def lies_in(root: Path, path: str) -> bool:
    """Whether a local path is below a resolved root, by where its links lead."""
    return "://" not in path and Path(os.path.realpath(path)).is_relative_to(root)
