"""Versions without an export for browsers: the program that serves the page computes them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hilir.components.trainer.export.label_names import find_labelled
from hilir.pipeline.versions.catalogue import Version, find_version

_SIGNATURE = "serving_default"
_KINDS = {"float32": (int, float), "int64": (int,), "string": (str,)}


class RowRefused(Exception):
    """A row is not one that the model can take; the message says why."""


def can_be_served(version: Version) -> bool:
    """Whether hilir made the version, so that missing values have signs and rows can be told from tensors."""
    return version.has_manifest and not version.manifest.get("adopted") and _SIGNATURE in version.manifest["signatures"]


def describe_served(version: Version) -> dict[str, Any]:
    """Returns what the page needs to know of the version, in the form of an export's report."""
    signature, classes = version.manifest["signatures"][_SIGNATURE], version.manifest.get("classes", {})
    return {
        "labels": next(iter(classes.values())) if len(classes) == 1 else [],
        "labelled": find_labelled(version.labels, classes, signature["outputs"]),
        "preprocessing": None,
        "inputs": {
            name: {"dtype": found["dtype"], "shape": found["shape"][1:], "optional": True}
            for name, found in signature["inputs"].items()
        },
        "outputs": {
            name: {"dtype": found["dtype"], "shape": found["shape"][1:]}
            for name, found in signature["outputs"].items()
            if found["dtype"] != "string"
        },
        "variants": {"SavedModel": {"kept": True, "bytes": version.size}},
    }


class ServedModels:
    """The SavedModels below a serving root, each loaded when it is first asked."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._loaded: dict[Path, tuple[Any, Mapping[str, str]]] = {}
        self._guard = threading.Lock()

    def predict(self, model: str, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the numbers that a version answers, by output, for one row.

        Args:
            model: its name.
            number: the version's.
            row: values by feature, None where one is missing, a list where there may be several.

        Raises:
            RowRefused: the values do not fit.
            ConfigError: there is no such version.
        """
        version = find_version(self._root / model, number)
        described = describe_served(version)
        arrays = {name: _make_array(name, found, row.get(name)) for name, found in described["inputs"].items()}
        with self._guard:
            return self._run(version, described, arrays)

    def _run(self, version: Version, described: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        if version.folder not in self._loaded:
            from hilir.components.trainer.export.safe_names import read_parameters

            loaded = tf.saved_model.load(str(version.folder))
            self._loaded[version.folder] = loaded, read_parameters(str(version.folder))[_SIGNATURE]
        loaded, parameters = self._loaded[version.folder]
        try:
            found = loaded.signatures[_SIGNATURE](**{parameters[name]: tf.constant(v) for name, v in arrays.items()})
        except tf.errors.OpError as error:
            from hilir.serving.server.servables.run_errors import shorten

            raise RowRefused(shorten(error.message)) from None
        answers = {name: found[name].numpy()[0].reshape(-1).tolist() for name in described["outputs"]}
        return {name: values[0] if len(values) == 1 else values for name, values in answers.items()}


def _make_array(name: str, feature: dict[str, Any], value: Any) -> Any:
    """Returns one row as `serving_default` takes it.

    Raises:
        RowRefused: it has another type or shape.
    """
    from hilir.components.trainer.export.row_values import make_array

    dtype, shape = feature["dtype"], [None if size == -1 else size for size in feature["shape"]]
    values = _flatten(value)
    if not all(isinstance(each, _KINDS[dtype]) and not isinstance(each, bool) for each in values):
        raise RowRefused(f"'{name}' takes {'text' if dtype == 'string' else 'numbers'}, not {value!r}")
    try:
        return make_array([[each.encode() if isinstance(each, str) else each for each in values]], dtype, shape)
    except (ValueError, OverflowError):
        raise RowRefused(f"'{name}' takes values of the shape {feature['shape']}, not {value!r}") from None


def _flatten(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [each for part in value for each in _flatten(part)]
    return [] if value is None else [value]
