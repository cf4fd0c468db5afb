"""Loads the user's model package and checks that it has what the trainer needs."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from hilir.components.cause import find_cause, find_user_folders
from hilir.components.errors import ModelPackageError, UserCodeError
from hilir.components.opened_files import find_files

_NEEDED = {
    "features": {"LABEL": "the name of the label"},
    "preprocessing": {"preprocessing_fn": "a function(inputs) for TensorFlow Transform"},
    "model": {
        "build_model": "a function(hparams) or (hparams, data) that returns the compiled model",
        "Hyperparameters": "a frozen pydantic class",
    },
}


@dataclass(frozen=True)
class ModelPackage:
    """What a user wrote.

    Attributes:
        name: its import path.
        label: the label among the transformed features, or the labels by the name of the output that they belong to.
        label_columns: the raw columns that only the label may see, if it names them.
        preprocessing_fn: from raw to transformed features.
        build_model: from hyperparameters, and what is known of the data if it takes that, to the compiled model.
        hyperparameters: the class of its first argument.
        weight: the raw column with the weight of each row, if there is one.
        files: the files that it declares to read.
    """

    name: str
    label: str | Mapping[str, str]
    label_columns: tuple[str, ...] | None
    preprocessing_fn: Callable[[Any], Any]
    build_model: Callable[..., Any]
    hyperparameters: type[BaseModel]
    weight: str | None = None
    files: tuple[Path, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels among the transformed features, each once."""
        return (self.label,) if isinstance(self.label, str) else tuple(dict.fromkeys(self.label.values()))

    @property
    def no_features(self) -> tuple[str, ...]:
        """What the network must not see: labels and weight."""
        return self.labels if self.weight is None else (*self.labels, self.weight)

    @property
    def labels_of_outputs(self) -> tuple[str, ...]:
        """The outputs that labels are given for by name."""
        return () if isinstance(self.label, str) else tuple(self.label)

    @property
    def takes_data(self) -> bool:
        """Whether `build_model` takes what is known of the data as its second argument."""
        parameters = inspect.signature(self.build_model).parameters.values()
        positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
        return len(positional) > 1 or any(each.kind == each.VAR_POSITIONAL for each in parameters)

    def build(self, hyperparameters: BaseModel, data: Any) -> Any:
        """Returns what `build_model(hparams)` or `build_model(hparams, data)` returns."""
        return self.build_model(hyperparameters, data) if self.takes_data else self.build_model(hyperparameters)

    def make_hyperparameters(self, values: dict[str, Any]) -> BaseModel:
        """Returns the checked hyperparameters.

        Raises:
            ModelPackageError: a value that the package's class refuses.
        """
        try:
            # Pydantic ignores what a class does not have unless it is told otherwise; a typing error would train
            # with the default.
            allows = self.hyperparameters.model_config.get("extra") == "allow"
            return self.hyperparameters.model_validate(values, extra="allow" if allows else "forbid")
        except ValidationError as error:
            names = list(self.hyperparameters.model_fields)
            faults = "; ".join(_describe_value(found, names) for found in error.errors())
            known = ", ".join(names)
            raise ModelPackageError(f"{self.name}.model.Hyperparameters: {faults}; it has {known}") from None


def load_package(name: str) -> ModelPackage:
    """Returns the model package with the import path `name`.

    Raises:
        ModelPackageError: it cannot be imported, or lacks something; all that is missing is named. UserCodeError if
            importing it raises something of its own.
    """
    modules = {part: _import(name, part) for part in _NEEDED}
    missing = [
        f"{name}.{part} has no '{attribute}' ({purpose})"
        for part, attributes in _NEEDED.items()
        for attribute, purpose in attributes.items()
        if not hasattr(modules[part], attribute)
    ]
    if missing:
        raise ModelPackageError("; ".join(missing) + "; 'hilir new --example taxi' writes one that has all of it")
    features = modules["features"]
    faults = [*_feature_faults(features), *_kind_faults(modules)]
    if faults:
        raise ModelPackageError("; ".join(f"{name}.{fault}" for fault in faults))
    label, columns = features.LABEL, getattr(features, "LABEL_COLUMNS", None)
    return ModelPackage(
        name=name,
        label=label
        if isinstance(label, str)
        else dict(label)
        if isinstance(label, dict)
        else {key: key for key in label},
        label_columns=None if columns is None else tuple(columns),
        preprocessing_fn=modules["preprocessing"].preprocessing_fn,
        build_model=modules["model"].build_model,
        hyperparameters=modules["model"].Hyperparameters,
        weight=getattr(features, "WEIGHT", None),
        files=find_files(features),
    )


def _describe_value(found: Mapping[str, Any], names: Sequence[str]) -> str:
    key = ".".join(map(str, found["loc"]))
    if found["type"] != "extra_forbidden":
        return f"train.hyperparameters.{key}: {found['msg']}"
    close = get_close_matches(key, names, n=1)
    return f"train.hyperparameters.{key}: there is no such field" + (f", did you mean '{close[0]}'?" if close else "")


def _feature_faults(features: ModuleType) -> Iterator[str]:
    label, columns, weight = (getattr(features, name, None) for name in ("LABEL", "LABEL_COLUMNS", "WEIGHT"))
    names = list(label.items()) if isinstance(label, dict) else list(label) if isinstance(label, tuple) else [label]
    flat = [part for name in names for part in (name if isinstance(name, tuple) else (name,))]
    if not flat or not all(isinstance(name, str) and name for name in flat):
        yield (
            f"features.LABEL is {label!r}; give the name of the label, a tuple of names, or a dictionary from the "
            f"outputs of the model to the names of their labels"
        )
    if columns is not None and (
        not isinstance(columns, tuple | list | set | frozenset) or not all(isinstance(name, str) for name in columns)
    ):
        yield f"features.LABEL_COLUMNS is {columns!r}; give a tuple of column names, for example ('label',)"
    if weight is not None and (not isinstance(weight, str) or not weight):
        yield f"features.WEIGHT is {weight!r}; give the name of the column with the rows' weights"


def _kind_faults(modules: dict[str, ModuleType]) -> Iterator[str]:
    for part, attribute in (("preprocessing", "preprocessing_fn"), ("model", "build_model")):
        if not callable(getattr(modules[part], attribute)):
            yield f"{part}.{attribute} is not a function; it has to be {_NEEDED[part][attribute]}"
    kind = modules["model"].Hyperparameters
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        what = (
            "a dataclass" if is_dataclass(kind) else "a class of another kind" if isinstance(kind, type) else repr(kind)
        )
        yield (
            f"model.Hyperparameters is {what}; inherit from pydantic's BaseModel with the same fields: "
            f"class Hyperparameters(BaseModel):"
        )


def _import(package: str, part: str) -> ModuleType:
    name = f"{package}.{part}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ModelPackageError(
                f"model.package '{package}': there is no module '{error.name}'; "
                f"a model package has features.py, preprocessing.py and model.py"
            ) from None
        cause = find_cause(error, find_user_folders(package))
        place = f" ({cause.place})" if cause.place else ""
        raise ModelPackageError(f"{name}: imports '{error.name}', which is not installed{place}; install it") from error
    except SyntaxError as error:
        place = os.path.relpath(error.filename) if error.filename else name
        raise ModelPackageError(f"{name}: SyntaxError: {error.msg} ({place}:{error.lineno}); fix that line") from error
    except (Exception, SystemExit) as error:
        cause = find_cause(error, find_user_folders(package))
        raise UserCodeError(f"{name} cannot be imported: {cause}") from error
