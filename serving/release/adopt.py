"""Takes a SavedModel that hilir did not make into the releases: writes the manifest that a version needs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hilir.serving.disk import SHARED, hash_file, write_atomically
from hilir.serving.errors import ReleaseRefused, ServingConfigError
from hilir.serving.release.version_checks import MANIFEST, SCHEMA, is_adopted

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_SERVED_TAG = "serve"


def adopt_version(path: str, why: str = "", dry_run: bool = False) -> dict[str, Any]:
    """Writes the manifest of the SavedModel in a folder `<root>/<model>/<version>`; returns it.

    It says that the version is blessed, since whoever adopts it answers for it. What is adopted already and has not
    changed is left alone.

    Raises:
        ReleaseRefused: this is no SavedModel with the tag `serve`, or hilir made it.
        ServingConfigError: the folder is not named as a version of a model, or cannot be read or written.
    """
    folder = Path(path).absolute()
    model, version = _read_place(folder)
    try:
        known = _read_known(folder)
        manifest = _describe(folder, model, version, why)
        if known is not None and all(known.get(key) == manifest[key] for key in ("model", "version", "files")):
            return known
        if not dry_run:
            write_atomically(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", SHARED)
    except OSError as error:
        raise ServingConfigError(
            f"{error.filename or folder}: cannot be read or written ({error.strerror}); "
            "adopt it as a user who may write there"
        ) from None
    return manifest


def _read_place(folder: Path) -> tuple[str, int]:
    """The model and the version that a folder's names say."""
    if not folder.is_dir():
        raise ServingConfigError(f"{folder}: there is no such folder; name that of a version, <root>/<model>/<version>")
    if not _NUMBER.fullmatch(folder.name) or not _NAME.fullmatch(folder.parent.name):
        raise ServingConfigError(
            f"{folder}: a version is a folder <root>/<model>/<version> whose last part is a number from 1 without "
            "leading zeros; move the SavedModel to one like out/models/resnet/1"
        )
    return folder.parent.name, int(folder.name)


def _read_known(folder: Path) -> dict[str, Any] | None:
    """The manifest of an earlier adoption.

    Raises:
        ReleaseRefused: the manifest is not from an adoption.
    """
    path = folder / MANIFEST
    try:
        known: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        known = None
    if not isinstance(known, dict) or not is_adopted(known):
        raise ReleaseRefused(
            f"{path}: the version has a manifest already; type 'hilir release stage {folder.name}', "
            "or move a file that only happens to have this name out of the way"
        )
    return known


def _describe(folder: Path, model: str, version: int, why: str) -> dict[str, Any]:
    """A manifest with the entries of those that the pipeline writes, as far as anything is known."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {
        "schema": SCHEMA,
        "model": model,
        "version": version,
        "created": now,
        "run_id": "",
        "pipeline": "",
        "blessed": True,
        "adopted": {"at": now, "why": why},
        "source": "",
        "files": {
            name: {"sha256": hash_file(folder / name), "bytes": (folder / name).stat().st_size}
            for name in names
            if name != MANIFEST
        },
        "signatures": _describe_signatures(folder),
        "metrics": {},
        "thresholds": [],
        "data": {},
        "code": {"commit": None, "fingerprint": ""},
        "packages": {},
        "exports": {},
    }


def _describe_signatures(folder: Path) -> dict[str, dict[str, Any]]:
    """Inputs and outputs of each signature with type and shape (-1: any; None: any rank)."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / "saved_model.pb"
    try:
        saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except FileNotFoundError:
        raise ReleaseRefused(f"{path}: is missing, so this is not a SavedModel; export the model as one") from None
    except DecodeError:
        raise ReleaseRefused(f"{path}: is not a SavedModel, or an incomplete copy; copy it again") from None
    graph = next((graph for graph in saved.meta_graphs if _SERVED_TAG in graph.meta_info_def.tags), None)
    if graph is None:
        raise ReleaseRefused(f"{path}: has no graph with the tag '{_SERVED_TAG}'; export the model for serving")
    return {
        name: {"inputs": _describe_tensors(signature.inputs), "outputs": _describe_tensors(signature.outputs)}
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }


def _describe_tensors(infos: Any) -> dict[str, dict[str, Any]]:
    import tensorflow as tf

    return {
        name: {
            "dtype": tf.as_dtype(info.dtype).name,
            "shape": None if info.tensor_shape.unknown_rank else [dim.size for dim in info.tensor_shape.dim],
        }
        for name, info in sorted(infos.items())
    }
