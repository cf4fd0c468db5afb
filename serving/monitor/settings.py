"""What the section `monitor` of a configuration says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from hilir.serving.errors import ServingConfigError
from hilir.serving.release.selection import DEFAULT_ROOT


def _check_address(value: str) -> str:
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.-]+):\d{1,5}", value):
        raise ValueError(f"is '{value}'; give HOST:PORT, like 127.0.0.1:8601")
    return value


Address = Annotated[str, AfterValidator(_check_address)]


class MonitorSettings(BaseModel):
    """How a request log is cut into windows, and where the results go; configs/base.yaml explains each key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    log: str | None = None
    state: str = "out/monitor"
    window_rows: int = Field(default=1000, ge=200)
    window_seconds: float = Field(default=3600.0, ge=0)
    longest_seconds: float = Field(default=86_400.0, gt=0)
    ignore: list[str] = []
    outcomes: str | None = None
    outcome: str | None = None
    outcome_days: float = Field(default=7.0, gt=0)
    keep_windows: int = Field(default=2000, ge=1)
    metrics: str | None = None
    listen: Address | None = None


class Project(BaseModel):
    """The parts of a project's configuration that a monitor needs."""

    model_config = ConfigDict(frozen=True)

    model: str
    root: Path
    settings: MonitorSettings

    @property
    def versions(self) -> Path:
        """The folder of the model's versions."""
        return self.root / self.model

    @property
    def state(self) -> Path:
        """The folder of the model's monitor."""
        return Path(self.settings.state) / self.model


def read_project(path: str, **given: Any) -> Project:
    """Returns what a configuration says; values of `given` that are not None win over its section `monitor`.

    Raises:
        ServingConfigError: it cannot be read, or a key is wrong.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        content: Any = OmegaConf.to_container(OmegaConf.load(Path(path)), resolve=True)
    except OSError as error:
        raise ServingConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        raise ServingConfigError(f"{path}: not a configuration ({str(error).splitlines()[0]})") from None
    model = _get(content, "model", "name")
    if not isinstance(model, str):
        raise ServingConfigError(f"{path}: model.name is missing; name a configuration like configs/digits.yaml")
    section = _get(content, "monitor") or {}
    if not isinstance(section, dict):
        raise ServingConfigError(f"{path}: monitor: must be a mapping of keys, like in configs/base.yaml")
    try:
        values = section | {key: value for key, value in given.items() if value is not None}
        settings = MonitorSettings.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"monitor.{'.'.join(str(part) for part in fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise ServingConfigError(f"{path}: {faults}; 'hilir config show' has every key with its default") from None
    return Project(model=model, root=Path(str(_get(content, "serving", "root") or DEFAULT_ROOT)), settings=settings)


def _get(content: Any, *keys: str) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content
