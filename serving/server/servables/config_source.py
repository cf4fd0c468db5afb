"""Where the model configuration comes from: flags, a file, or the project's serving root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from hilir.serving.errors import ServingConfigError, ServingStartError
from hilir.serving.server.options import ServeOptions
from hilir.serving.server.servables.model_config import PLATFORM, read_config_file, single_model
from hilir.serving.server.servables.policy import index_versions

CONFIG_FILE = "models.config"
_PROJECT_POLL_SECONDS = 1.0


class ConfigSource:
    """Reads the configuration, and notices when it has changed.

    Attributes:
        partial: the server may start although some models do not load.
        poll_seconds: how often to look for changes; 0 for never.
    """

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._root = Path(options.root).resolve()
        self._applied: bytes | None = None
        self._read: bytes | None = None
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
        config = self._current()
        self._read = self._applied = config.SerializeToString(deterministic=True)
        if self._options.serves_project and not config.model_config_list.config:
            raise ServingStartError(f"There is no model version under {self._root}. Make one with: hilir run")
        return config

    def read_if_changed(self) -> Any | None:
        """The configuration if it differs from what was last applied, or if that failed.

        Raises:
            ServingConfigError: the file cannot be read.
        """
        config = self._current()
        self._read = config.SerializeToString(deterministic=True)
        return None if self._read == self._applied else config

    def applied(self) -> None:
        """What was read last is in force."""
        self._applied = self._read

    def failed(self) -> None:
        """What was read last could not be applied: try again at the next poll."""
        self._applied = None

    def _current(self) -> Any:
        options = self._options
        if options.model_config_file:
            return read_config_file(options.model_config_file)
        if options.model_base_path:
            return single_model(options.model_name, options.model_base_path)
        return self._project()

    def _project(self) -> Any:
        """What the release verbs wrote, and every model pushed since; all models where nothing was released yet."""
        pushed = self._scan()
        file = self._root / CONFIG_FILE
        if not file.exists():
            return pushed
        config = self._with_absolute_paths(read_config_file(str(file)))
        named = {entry.name for entry in config.model_config_list.config}
        new = [entry for entry in pushed.model_config_list.config if entry.name not in named]
        config.model_config_list.config.extend(new)
        return config

    def _with_absolute_paths(self, config: Any) -> Any:
        for entry in config.model_config_list.config:
            if not entry.base_path.startswith("/") and "://" not in entry.base_path:
                entry.base_path = str(self._root / (entry.base_path or entry.name))
        return config

    def _scan(self) -> Any:
        """Every directory of the root that has versions, each served at its latest."""
        config = model_server_config_pb2.ModelServerConfig()
        config.model_config_list.SetInParent()
        try:
            folders = sorted(
                entry for entry in self._root.iterdir() if entry.is_dir() and entry.resolve().is_relative_to(self._root)
            )
        except FileNotFoundError:
            return config
        except OSError as error:
            raise ServingConfigError(f"Can't list {self._root}: {error.strerror}.") from None
        for folder in folders:
            if index_versions(child.name for child in folder.iterdir() if child.is_dir()):
                config.model_config_list.config.add(name=folder.name, base_path=str(folder), model_platform=PLATFORM)
        return config
