"""The function that TFX's Transform calls: the model package's own, with an error that names a missing column."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hilir.components.errors import ModelPackageError


def make_custom_config(package: str, code: str) -> dict[str, str]:
    """Returns the Transform's `custom_config`; `code` is the fingerprint of the preprocessing, for TFX's cache."""
    return {"package": package, "code": code}


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, str]) -> dict[str, Any]:
    """Returns what the package's `preprocessing_fn` returns.

    Args:
        inputs: the raw features by name.
        custom_config: as `make_custom_config` returns it.

    Raises:
        ModelPackageError: the package reads a column that the data does not have.
    """
    package = custom_config["package"]
    try:
        outputs: dict[str, Any] = import_module(f"{package}.preprocessing").preprocessing_fn(inputs)
    except KeyError as error:
        (name,) = error.args
        if name in inputs:
            raise
        raise ModelPackageError(
            f"{package}.preprocessing reads the column '{name}', which the data does not have; "
            f"fix the data, or preprocessing_fn; the columns are {', '.join(sorted(inputs))}"
        ) from None
    return outputs
