"""From a version's directory to a servable."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from hilir.serving.server.servables.booleans import find_booleans
from hilir.serving.server.servables.servable import Servable, Signature
from hilir.serving.server.status import Code, StatusError

logger = logging.getLogger(__name__)
# What hilir pushed has a manifest, and this signature of it has signs for missing values.
_MANIFEST, _TAKES_MISSING = "manifest.json", "serving_default"
# Graphs with these may run for as long as their data says, so that they never run on the event loop.
_UNBOUNDED_OPS = frozenset(
    (
        "While",
        "StatelessWhile",
        "Enter",
        "PyFunc",
        "EagerPyFunc",
        "PyFuncStateless",
        "MapDefun",
        "ReduceDataset",
    )
)


@dataclass(frozen=True)
class LoadOptions:
    """What the flags say about sessions."""

    tags: tuple[str, ...] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0


def load_servable(name: str, version: int, path: str, options: LoadOptions) -> Servable:
    """Load a version. None of its signatures is run.

    Raises:
        StatusError: there is no SavedModel, it has no such tags, or TensorFlow refused it.
    """
    if not any(tf.io.gfile.exists(f"{path}/{file}") for file in ("saved_model.pb", "saved_model.pbtxt")):
        raise StatusError(
            Code.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}. "
            "Check that the directory exists and that you have the right permissions for accessing it.",
        )
    graph = tf.Graph()
    config = config_pb2.ConfigProto(
        intra_op_parallelism_threads=options.intra_op_threads,
        inter_op_parallelism_threads=options.inter_op_threads,
    )
    session = tf.compat.v1.Session(graph=graph, config=config)
    try:
        with graph.as_default():
            meta_graph = _load(session, options.tags, path)
        pushed = _is_pushed(path)
        booleans = find_booleans(path) if pushed else {}
        signatures = {
            key: Signature.prepare(key, definition, pushed and key == _TAKES_MISSING, booleans)
            for key, definition in meta_graph.signature_def.items()
        }
        # Nothing may be added any more: operations added by mistake would be a leak per request.
        graph.finalize()
    except BaseException:
        session.close()
        raise
    return Servable(
        name=name,
        version=version,
        path=path,
        session=session,
        signatures=signatures,
        inter_op_pool=options.inter_op_threads > 1,
        bounded=not _has_unbounded_ops(meta_graph.graph_def),
    )


def _is_pushed(path: str) -> bool:
    """Says whether hilir made the version; a SavedModel that was adopted has a manifest that says so."""
    try:
        with tf.io.gfile.GFile(f"{path}/{_MANIFEST}", "rb") as file:
            manifest = json.loads(file.read())
    except (tf.errors.OpError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and not manifest.get("adopted")


def _load(session: Any, tags: Sequence[str], path: str) -> Any:
    try:
        return tf.compat.v1.saved_model.load(session, list(tags), path)
    except tf.errors.OpError as error:
        raise StatusError(Code(error.error_code), error.message or "") from None
    except RuntimeError as error:
        if "tags" not in str(error):
            raise StatusError(Code.INTERNAL, str(error)) from None
        raise StatusError(
            Code.NOT_FOUND,
            f"Could not find meta graph def matching supplied tags: {{ {' '.join(tags)} }}. "
            "To inspect available tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`",
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever a broken file makes TensorFlow raise is a failed load
        raise StatusError(Code.INVALID_ARGUMENT, f"Can't load SavedModel from {path}: {error}") from None


def _has_unbounded_ops(graph_def: Any) -> bool:
    if any(node.op in _UNBOUNDED_OPS for node in graph_def.node):
        return True
    return any(node.op in _UNBOUNDED_OPS for function in graph_def.library.function for node in function.node_def)
