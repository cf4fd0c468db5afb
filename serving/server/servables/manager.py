"""The server's heart: configuration, labels, and finding the version that a request means (server_core.cc)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from hilir.serving.server.servables.lifecycle import Lifecycle
from hilir.serving.server.servables.model_config import ModelSettings, check_config, check_platforms, lies_in
from hilir.serving.server.servables.routing import hold
from hilir.serving.server.servables.servable import Servable
from hilir.serving.server.servables.statuses import VersionStatus
from hilir.serving.server.status import Code, StatusError, invalid_argument, not_found

logger = logging.getLogger(__name__)
# Labels of TensorFlow Serving have no such limit; the status of unknown models must not grow without one.
_MAX_MODELS = 10_000


class ServerCore:
    """Applies configurations, and answers which servable a model spec means.

    Args:
        lifecycle: loads and unloads versions.
        labels_for_unavailable: new labels may point to versions that are not loaded
            (`--allow_version_labels_for_unavailable_models`).
        model_root: base paths and request logs outside this directory are refused; None allows any.
    """

    def __init__(
        self, lifecycle: Lifecycle, labels_for_unavailable: bool = False, model_root: str | None = None
    ) -> None:
        self.lifecycle = lifecycle
        self.table = lifecycle.table
        self._labels_for_unavailable = labels_for_unavailable
        self._model_root = model_root
        self._config: Any = None
        self._config_lock = threading.Lock()

    def reload(self, config: Any, wait: bool = True, timeout: float | None = None) -> None:
        """Replace the configuration; wait until models that are new have an available version.

        Raises:
            StatusError: the configuration is refused, and nothing has changed; or a new model failed to load.
        """
        with self._config_lock:
            new_models = self._apply(config)
        if wait:
            self.wait_until_available(new_models, timeout=timeout)

    def _apply(self, config: Any) -> set[str]:
        if self._config is not None and self._config.WhichOneof("config") != config.WhichOneof("config"):
            raise StatusError(
                Code.FAILED_PRECONDITION,
                "Cannot transition to requested config. It is only legal to transition "
                "from one ModelConfigList to another.",
            )
        match config.WhichOneof("config"):
            case None:
                logger.info("Taking no action for empty config.")
                return set()
            case "custom_model_config":
                raise invalid_argument("ModelServer does not yet support custom model config.")
        if self._config is not None:
            check_platforms(self._config, config)
        models = check_config(config)
        self._check_paths(models)
        labels = self._check_labels(models)
        new_models = models.keys() - self.lifecycle.models.keys()
        self._config = _copy(config)
        self.lifecycle.set_labels(labels)
        self.lifecycle.set_models(models)
        return set(new_models)

    def _check_paths(self, models: Mapping[str, ModelSettings]) -> None:
        if len(models) > _MAX_MODELS:
            raise invalid_argument(f"More than {_MAX_MODELS} models in config list")
        if self._model_root is None:
            return
        # Not resolve(), which raises where a link leads to itself.
        root = Path(os.path.realpath(self._model_root))
        for settings in models.values():
            if not lies_in(root, settings.base_path):
                raise StatusError(
                    Code.PERMISSION_DENIED,
                    f"base_path {settings.base_path} of model {settings.name} lies outside {root}, "
                    "the directory that this server is allowed to serve from",
                )
            if settings.logging is not None and not lies_in(root, settings.logging.prefix):
                raise StatusError(
                    Code.PERMISSION_DENIED,
                    f"filename_prefix {settings.logging.prefix} of model {settings.name} lies outside {root}, "
                    "the directory that this server is allowed to write to",
                )

    def _check_labels(self, models: Mapping[str, ModelSettings]) -> dict[str, dict[str, int]]:
        """The new labels (UpdateModelVersionLabelMap): each must point to an available version."""
        old = self.table.current.labels
        labels: dict[str, dict[str, int]] = {}
        for name, settings in models.items():
            for label, version in settings.labels.items():
                moves = old.get(name, {}).get(label, version) != version
                allowed = self._labels_for_unavailable and not moves
                if not allowed and version not in self.table.current.versions.get(name, {}):
                    raise StatusError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {name}, "
                        "which is not currently available for inference",
                    )
                labels.setdefault(name, {})[label] = version
        return labels

    def wait_until_available(
        self,
        models: Collection[str],
        timeout: float | None = None,
        what: str = "model(s)",
        first_try: bool = False,
    ) -> None:
        """Wait until each of `models` has an available version, or only ones that have finally failed.

        With `first_try` a model is not waited for any longer once its versions were tried once.

        Raises:
            StatusError: some have failed, or the time is over.
        """
        self.lifecycle.wait_while_pending(models, timeout, first_try)
        failed = [model for model in models if model not in self.table.current.versions]
        if failed:
            raise StatusError(Code.UNKNOWN, self._failure_text(failed, what))

    def _failure_text(self, models: Collection[str], what: str) -> str:
        parts = []
        for model in models:
            versions = self.lifecycle.statuses(model)
            for version, status in sorted(versions.items()):
                reason = f" due to error: {status.code.name}: {status.message}" if status.message else ""
                parts.append(f"{{{{name: {model} version: {version}}}{reason}}}, ")
            if not versions:
                parts.append(f"{{{{name: {model}}} due to error: no versions found}}, ")
        return f"{len(models)} {what} did not become available: {{{''.join(parts)}}}"

    def hold(self, model: str, version: int | None = None, label: str | None = None) -> Servable:
        """Find and hold the version that a model spec means; the caller releases it.

        Raises:
            StatusError: there is none.
        """
        return hold(self.table, model, version, label)

    def status(self, model: str, version: int | None = None) -> list[tuple[int, VersionStatus]]:
        """States of a model's versions, newest first, or of one version (get_model_status_impl.cc).

        Raises:
            StatusError: nothing is known of them.
        """
        statuses = self.lifecycle.statuses(model)
        if version is not None:
            if version not in statuses:
                raise not_found(f"Could not find version {version} of model {model}")
            return [(version, statuses[version])]
        if not statuses:
            raise not_found(f"Could not find any versions of model {model}")
        return sorted(statuses.items(), reverse=True)

    def is_ready(self) -> bool:
        """True if every configured model has an available version, and there is one at all."""
        models = self.lifecycle.models
        return bool(models) and all(model in self.table.current.versions for model in models)


def _copy(message: Message) -> Message:
    copied = type(message)()
    copied.CopyFrom(message)
    return copied
