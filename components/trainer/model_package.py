"""Loads the user's model package and checks that it has what the trainer needs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from hilir.components.errors import ModelPackageError

_NEEDED = {
    "features": {"LABEL": "the name of the label", "LABEL_COLUMNS": "the raw columns that only the label may see"},
    "preprocessing": {"preprocessing_fn": "a function(inputs) for TensorFlow Transform"},
    "model": {
        "build_model": "a function(hparams) that returns the compiled model",
        "Hyperparameters": "a frozen pydantic class",
    },
}


@dataclass(frozen=True)
class ModelPackage:
    """What a user wrote."""

    name: str
    label: str
    label_columns: tuple[str, ...]
    preprocessing_fn: Callable[[Any], Any]
    build_model: Callable[[Any], Any]
    hyperparameters: type[BaseModel]

    def make_hyperparameters(self, values: dict[str, Any]) -> BaseModel:
        """Returns the checked hyperparameters.

        Raises:
            ModelPackageError: a value that the package's class refuses.
        """
        try:
            return self.hyperparameters.model_validate(values)
        except ValidationError as error:
            faults = "; ".join(
                f"train.hyperparameters.{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()
            )
            known = ", ".join(self.hyperparameters.model_fields)
            raise ModelPackageError(f"{self.name}.model.Hyperparameters: {faults}; it has {known}") from None


def load_package(name: str) -> ModelPackage:
    """Returns the model package with the import path `name`.

    Raises:
        ModelPackageError: it cannot be imported, or lacks something; all that is missing is named.
    """
    modules = {part: _import(name, part) for part in _NEEDED}
    missing = [
        f"{name}.{part} has no '{attribute}' ({purpose})"
        for part, attributes in _NEEDED.items()
        for attribute, purpose in attributes.items()
        if not hasattr(modules[part], attribute)
    ]
    if missing:
        raise ModelPackageError("; ".join(missing) + "; models/taxi is an example that has all of it")
    return ModelPackage(
        name=name,
        label=modules["features"].LABEL,
        label_columns=tuple(modules["features"].LABEL_COLUMNS),
        preprocessing_fn=modules["preprocessing"].preprocessing_fn,
        build_model=modules["model"].build_model,
        hyperparameters=modules["model"].Hyperparameters,
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
        raise ModelPackageError(f"{name}: imports '{error.name}', which is not installed; install it") from None
    except SyntaxError as error:
        raise ModelPackageError(f"{error.filename}, line {error.lineno}: {error.msg}; fix that line") from None
