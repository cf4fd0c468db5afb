"""The manifest of a version: what is in it, and how it came to be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tfx.dsl.io import fileio

from hilir.components.exporter.export_report import read_report
from hilir.components.trainer.export.class_names import read_classes
from hilir.components.trainer.export.safe_names import read_parameters

SCHEMA = 1
NAME = "manifest.json"

_PACKAGES = (
    "apache-beam",
    "hilir",
    "numpy",
    "tensorflow",
    "tensorflow-model-analysis",
    "tensorflow-transform",
    "tf-keras",
    "tfx",
)


def describe_files(folder: str) -> dict[str, dict[str, Any]]:
    """Returns sha256 and size in bytes of each file below the folder but the manifest, by relative path."""
    return {
        relative: {"sha256": digest, "bytes": size}
        for relative, digest, size in sorted(_hashes(folder))
        if relative != NAME
    }


def describe_export(folder: str) -> dict[str, Any]:
    """Returns the variants of an export, those that were refused and why, and its files as `describe_files` does."""
    report = read_report(folder)
    variants = report["variants"]
    failed = {name: [reason] for name, reason in report.get("failed", {}).items()}
    return {
        "variants": [name for name, figures in variants.items() if figures["kept"]],
        "refused": {name: figures["reasons"] for name, figures in variants.items() if not figures["kept"]} | failed,
        "files": describe_files(folder),
    }


def describe_signatures(folder: str) -> dict[str, dict[str, Any]]:
    """Returns each signature's inputs and outputs with type and shape (-1: any)."""
    with fileio.open(os.path.join(folder, "saved_model.pb"), "rb") as file:
        model = saved_model_pb2.SavedModel.FromString(file.read())
    (graph,) = [graph for graph in model.meta_graphs if "serve" in graph.meta_info_def.tags]
    return {
        name: {"inputs": _tensors(signature.inputs), "outputs": _tensors(signature.outputs)}
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }


def describe_classes(folder: str, names: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Returns the names of the classes by label, class 0 first; `names`: those that the configuration gives."""
    return {label: list(given) for label, given in names.items()} | read_classes(folder)


def describe_parameters(folder: str) -> dict[str, dict[str, str]]:
    """Returns by signature the inputs whose names are not those of their parameters, each with its parameter.

    `tf.saved_model.load(…).signatures` wants the parameters; everything else takes the names.
    """
    changed = {
        key: {name: parameter for name, parameter in parameters.items() if name != parameter}
        for key, parameters in read_parameters(folder).items()
    }
    return {key: names for key, names in changed.items() if names}


def installed_packages() -> dict[str, str]:
    """Returns the versions of the packages that made the model."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _hashes(folder: str) -> Iterator[tuple[str, str, int]]:
    for base, _, names in fileio.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            digest, size = hashlib.sha256(), 0
            with fileio.open(path, "rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
                    size += len(chunk)
            yield os.path.relpath(path, folder), digest.hexdigest(), size


def _tensors(infos: Any) -> dict[str, dict[str, Any]]:
    return {
        name: {"dtype": tf.as_dtype(info.dtype).name, "shape": [dimension.size for dimension in info.tensor_shape.dim]}
        for name, info in sorted(infos.items())
    }
