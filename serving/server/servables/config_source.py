"""Where the model configuration comes from: flags, a file, or the project's serving root."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from hilir.serving.disk import list_folders
from hilir.serving.errors import ServingConfigError, ServingStartError
from hilir.serving.server.options import ServeOptions
from hilir.serving.server.protos import read_text
from hilir.serving.server.servables.model_config import PLATFORM, lies_in, parse_config, single_model
from hilir.serving.server.servables.policy import index_versions
from hilir.serving.server.status import StatusError
from hilir.serving.server.telemetry.notices import Notices

logger = logging.getLogger(__name__)
CONFIG_FILE = "models.config"
# A release verb waits for one or two of these; at a quarter of a second they cost 0.2 % of a processor.
_PROJECT_POLL_SECONDS = 0.25


class ConfigSource:
    """Reads the configuration, and notices when it has changed.

    A model of the project that serves stays configured although its folder vanishes, and so do all models of a
    `models.config` that vanishes: a mount that is lost for a moment must not end what serves. A model ends when the
    file no longer names it and its folder is gone, or when the server starts anew.

    Attributes:
        partial: the server may start although some models do not load.
        poll_seconds: how often to look for changes; 0 for never.
    """

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._root = Path(options.root).resolve()
        self._applied: bytes | None = None
        self._read: bytes | None = None
        self._text = self._broken = ""
        self._released: Any = None
        self._pushed: dict[str, str] = {}
        self._notices = Notices(logger)
        self.partial = options.serves_project
        self.poll_seconds = float(
            _PROJECT_POLL_SECONDS
            if options.serves_project
            else options.model_config_file_poll_wait_seconds
            if options.model_config_file
            else 0
        )

    def read(self) -> Any:
        """The configuration as it is now.

        Raises:
            ServingConfigError: a file cannot be read.
            ServingStartError: the project has no model yet.
        """
        config = self._current(())
        self._read = self._applied = config.SerializeToString(deterministic=True)
        if self._options.serves_project and not config.model_config_list.config:
            raise ServingStartError(f"There is no model version under {self._root}. Make one with: hilir run")
        return config

    def read_if_changed(self, serving: Collection[str]) -> Any | None:
        """The configuration if it differs from what was last applied, or if that failed.

        Args:
            serving: models that have a version loaded.

        Raises:
            ServingConfigError: the file cannot be read.
        """
        config = self._current(serving)
        self._read = config.SerializeToString(deterministic=True)
        return None if self._read == self._applied else config

    def applied(self) -> None:
        """What was read last is in force."""
        self._applied = self._read
        self._notices.update("apply", ())

    def failed(self, error: StatusError | ServingConfigError) -> None:
        """What was read last could not be applied: try again at the next poll, and log why if that is new."""
        self._applied = None
        message = f"the model configuration can't be applied: {error}"
        if self._broken != self._text:
            self._notices.update("apply", ())
        self._broken = self._text
        self._notices.update("apply", [message])

    @property
    def _file(self) -> Path:
        return Path(self._options.model_config_file or self._root / CONFIG_FILE)

    def _current(self, serving: Collection[str]) -> Any:
        options = self._options
        if options.model_config_file:
            return self._read_file()
        if options.model_base_path:
            return single_model(options.model_name, options.model_base_path)
        return self._project(serving)

    def _project(self, serving: Collection[str]) -> Any:
        """What the release verbs wrote, and every model pushed since; all models where nothing was released yet."""
        is_there = os.path.exists(self._file)
        if is_there:
            self._released = self._with_own_paths(self._read_file())
        lost = f"{self._file} is gone; the models that it named are served as it said"
        self._notices.update("file", [] if is_there or self._released is None else [lost])
        config = model_server_config_pb2.ModelServerConfig()
        config.model_config_list.SetInParent()
        if self._released is not None:
            config.CopyFrom(self._released)
        named = {entry.name for entry in config.model_config_list.config}
        kept = {name: path for name, path in self._pushed.items() if name in serving}
        pushed = kept | self._scan()
        self._pushed = {name: path for name, path in sorted(pushed.items()) if name not in named}
        for name, path in self._pushed.items():
            config.model_config_list.config.add(name=name, base_path=path, model_platform=PLATFORM)
        return config

    def _read_file(self) -> Any:
        # Kept for `failed`, which can't read it again: by then the file may hold something else.
        self._text = ""
        self._text = read_text(str(self._file))
        return parse_config(self._text, str(self._file))

    def _with_own_paths(self, config: Any) -> Any:
        allowed = Path(os.path.realpath(self._options.model_root or self._root))
        for entry in config.model_config_list.config:
            path, own = Path(entry.base_path), self._root / entry.name
            if "://" in entry.base_path:
                continue
            if not path.is_absolute():
                entry.base_path = str(self._root / (entry.base_path or entry.name))
            elif path.name == entry.name and own.is_dir() and not lies_in(allowed, entry.base_path):
                # Written before the folder was moved or copied, or for servers in containers.
                entry.base_path = str(own)
        return config

    def _scan(self) -> dict[str, str]:
        """Every folder of the root that has versions, by model: each is served at its latest.

        Raises:
            ServingConfigError: the root cannot be listed.
        """
        try:
            folders = list_folders(self._root)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ServingConfigError(f"Can't list {self._root}: {error.strerror}.") from None
        faults = dict(folders.faults)
        found = {}
        for name in folders.names:
            folder = self._root / name
            try:
                is_model = Path(os.path.realpath(folder)).is_relative_to(self._root) and index_versions(
                    list_folders(folder).names
                )
            except OSError as error:
                faults[name] = error.strerror or str(error)
                continue
            if is_model:
                found[name] = str(folder)
        self._notices.update(
            "folders", (f"{self._root / name} is left out: {fault}" for name, fault in faults.items()), logging.WARNING
        )
        return found
