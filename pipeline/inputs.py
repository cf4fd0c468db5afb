"""Finds what the graph needs to know beyond the configuration: paths, fingerprints, the label."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from hilir.components.cause import find_cause, find_user_folders
from hilir.components.errors import UserCodeError
from hilir.components.staging import staged
from hilir.components.user_modules import find_folders
from hilir.pipeline.config.data_path import is_remote, locate
from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError

if TYPE_CHECKING:
    from hilir.components.trainer.model_package import ModelPackage


@dataclass(frozen=True)
class GraphInputs:
    """What the graph needs to know and the configuration does not say.

    Attributes:
        data_path: the folder of the data, resolved.
        data_pattern: which files there.
        label: the name of the label, or the names of the labels by output.
        transform_code: fingerprint of the code that the Transform step imports.
        model_code: fingerprint of the code that the Trainer imports.
        commit: the commit that last changed the model package, None without git.
        metric_code: fingerprint of each module that metrics of the user's own come from.
        weight: the raw column with the weight of each row, if there is one.
        notes: what the user should know of the package, sentences.
        schema_content: fingerprint of the file `schema.path`, empty where the schema is inferred.
    """

    data_path: str
    label: str | Mapping[str, str]
    transform_code: str
    model_code: str
    commit: str | None
    metric_code: Mapping[str, str]
    data_pattern: str = "*"
    weight: str | None = None
    schema_content: str = ""
    notes: tuple[str, ...] = ()


def generate_data(config: Config) -> None:
    """Writes the data with `data.generator` if its folder does not exist yet; the folder appears when it is complete.

    Raises:
        ConfigError: the generator cannot be imported.
        UserCodeError: it raised an error.
    """
    target = Path(locate(config.data.path, config.data.pattern)[0])
    if config.data.generator is None or is_remote(config.data.path) or target.exists():
        return
    module, _, function = config.data.generator.rpartition(".")
    try:
        write = getattr(import_module(module), function)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"data.generator '{config.data.generator}': cannot be imported ({error}); fix the path"
        ) from error
    try:
        with staged(target) as folder:
            Path(folder).mkdir()
            write(folder)
    except OSError:
        # Another run was faster: the folder is there and complete.
        if not target.exists():
            raise
    except Exception as error:
        cause = find_cause(error, find_user_folders(module))
        raise UserCodeError(f"data.generator '{config.data.generator}': {cause}") from error


def read_package(config: Config) -> ModelPackage:
    """Returns the model package, which fits the configuration as far as can be said without data.

    Raises:
        ModelPackageError: the model package lacks something, its hyperparameters do not fit, none can be searched, or
            names of classes are given for what is no label.
    """
    from hilir.components.preflight.class_name_checks import check_labels
    from hilir.components.trainer.model_package import load_package

    package = load_package(config.model.package)
    package.make_hyperparameters(config.train.hyperparameters)
    if config.train.tune.enabled:
        from hilir.components.tuner.space import find_overridden, read_space

        read_space(package, find_overridden(config.train.learning_rate))
    check_labels(config.export, package)
    return package


def find_inputs(config: Config) -> GraphInputs:
    """Returns what `hilir.pipeline.graph.build` needs; imports the model package.

    Raises:
        ModelPackageError: the model package does not fit.
        ConfigError: a metric cannot be computed.
    """
    from hilir.components.code import fingerprint
    from hilir.components.evaluator.metric_check import find_metric_faults
    from hilir.components.opened_files import explain, find_undeclared, watch_files

    name = config.model.package
    with watch_files() as opened:
        package = read_package(config)
    undeclared = find_undeclared(opened, package.files)
    faults = find_metric_faults(config.evaluate, package.label)
    if faults:
        raise ConfigError(faults)
    folder, pattern = locate(config.data.path, config.data.pattern)
    modules = {metric.module for metric in config.evaluate.metrics if metric.module is not None}
    return GraphInputs(
        data_path=folder,
        data_pattern=pattern,
        label=package.label,
        transform_code=fingerprint(f"{name}.preprocessing", package.files),
        model_code=fingerprint(f"{name}.model", package.files),
        commit=find_commit(name),
        metric_code={module: fingerprint(module) for module in sorted(modules)},
        weight=package.weight,
        schema_content=find_content(config.schema_.path),
        notes=(*([explain(name, undeclared)] if undeclared else []), *_name_unused(config)),
    )


def _name_unused(config: Config) -> Iterator[str]:
    unused = config.data.list_unused()
    if unused:
        yield (
            f"data.roles gives no role to {', '.join(unused)}: no model learns from these rows or is judged by them, "
            f"and statistics and Transform read them"
        )


def describe_origin(inputs: GraphInputs) -> dict[str, dict[str, str]]:
    """Returns what a report says of the origin of a run: fingerprints of its `code`, and versions of `packages`."""
    from hilir.components.pusher.manifest import installed_packages

    code = {"model": inputs.model_code, "transform": inputs.transform_code, "commit": inputs.commit or ""}
    code |= {f"metric {module}": found for module, found in inputs.metric_code.items()}
    return {"code": code, "packages": installed_packages()}


def find_content(path: str | None) -> str:
    """Returns the sha256 of a file on this machine; empty where there is none."""
    if path is None or is_remote(path) or not Path(path).is_file():
        return ""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def find_commit(package: str) -> str | None:
    """Returns the commit that last changed the model package, with `+` where files differ from it; None without git.

    An edit elsewhere does not change it, so that it may be part of what the cache looks at.
    """
    folder = next(iter(find_folders(package)), None)
    if folder is None:
        return None
    try:
        commit = _git(folder, "log", "-1", "--format=%H", "--", ".")
        return commit + ("+" if _git(folder, "status", "--porcelain", "--", ".") else "") if commit else None
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: str, *arguments: str) -> str:
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(
        ["git", "-C", folder, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()
