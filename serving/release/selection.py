"""Which serving root and which model a command means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilir.serving.errors import ServingConfigError
from hilir.serving.notify import Channel
from hilir.serving.releases.release_store import Store

DEFAULT_ROOT = "out/models"


@dataclass(frozen=True)
class Project:
    """What a project's configuration says about releases.

    Attributes:
        root: the serving root.
        model: the model's name.
        approval: `none` or `required`; None where it is not set.
        notify: where notifications go.
    """

    root: str
    model: str
    approval: str | None = None
    notify: tuple[Channel, ...] = ()


def read_config(path: str, overlays: Sequence[str] = (), settings: Sequence[str] = ()) -> Project:
    """Returns what a project's configuration says about releases.

    Args:
        path: its file.
        overlays: files whose values win, the later ones over the earlier.
        settings: keys and values that win over all, like `release.approval=required`.

    Raises:
        ServingConfigError: the file cannot be read, or names no model.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from pydantic import ValidationError
    from yaml import YAMLError

    try:
        layers = [OmegaConf.load(Path(each)) for each in (path, *overlays)]
        content: Any = OmegaConf.merge(*layers, OmegaConf.from_dotlist(list(settings)))
        model = OmegaConf.select(content, "model.name")
        root = OmegaConf.select(content, "serving.root")
        approval = OmegaConf.select(content, "release.approval")
        notify = OmegaConf.select(content, "notify")
    except OSError as error:
        raise ServingConfigError(f"{error.filename or path}: cannot be read ({error.strerror})") from None
    except (YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        raise ServingConfigError(f"{path}: not a configuration ({str(error).splitlines()[0]})") from None
    if not isinstance(model, str):
        raise ServingConfigError(f"{path}: model.name is missing; name a configuration like configs/digits.yaml")
    if approval not in (None, "none", "required"):
        raise ServingConfigError(f"{path}: release.approval is {approval!r}; write none or required")
    try:
        channels = tuple(map(Channel.model_validate, OmegaConf.to_container(notify, resolve=True))) if notify else ()
    except (ValidationError, TypeError, OmegaConfBaseException) as error:
        fault = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ServingConfigError(f"{path}: notify: {fault}; configs/base.yaml has an example") from None
    return Project(str(root or DEFAULT_ROOT), model, approval, channels)


def select(
    root: str | None,
    model: str | None,
    config: str | None,
    overlays: Sequence[str] = (),
    settings: Sequence[str] = (),
) -> tuple[Store, str | None]:
    """Returns the serving root's store and the model that are named; what is typed wins over the configuration.

    Raises:
        ServingConfigError: there is no such root or no such configuration.
    """
    if config is None and (overlays or settings):
        raise ServingConfigError("--overlay and --set change what --config says; name the configuration")
    if config is not None:
        project = read_config(config, overlays, settings)
        root, model = root or project.root, model or project.model
    return Store(root or DEFAULT_ROOT), model


def choose_model(store: Store, model: str | None) -> str:
    """Returns the model that is meant: the named one, the only one there is, or the only one that has been released.

    Raises:
        ServingConfigError: it is not there, or there are several.
    """
    models = store.models()
    # Of an endpoint on Vertex AI there is a state here, and no version.
    if model in models or model in store.released():
        return str(model)
    there = ", ".join(models) or "none; make one with 'hilir run'"
    if model is not None:
        raise ServingConfigError(f"{store.root}: there is no model {model}; there are: {there}")
    for candidates in (models, store.released()):
        if len(candidates) == 1:
            return candidates[0]
    raise ServingConfigError(
        f"{store.root}: it is not clear which model is meant; name it with --model NAME or --config FILE; "
        f"there are: {there}"
    )
