"""The export of a trained network, and the barrier at which the other workers wait for it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from hilir.components.errors import TrainingError
from hilir.components.staging import staged
from hilir.components.trainer.export.class_names import write_classes
from hilir.components.trainer.export.export_module import ExportModule
from hilir.components.trainer.export.extra_files import write_extra
from hilir.components.trainer.export.label_names import write_labels
from hilir.components.trainer.export.own_classes import find_own_classes
from hilir.components.trainer.export.python_calls import require_no_python
from hilir.components.trainer.export.raw_features import TYPICAL_FILE
from hilir.components.trainer.export.safe_names import NamedFunction, save
from hilir.components.trainer.model_package import ModelPackage

_ANNOUNCEMENT = "export_complete"
_POLL_SECONDS = 0.5


def export(
    model: keras.Model,
    transform: tft.TFTransformOutput,
    package: ModelPackage,
    folder: str,
    classes: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """Writes the SavedModel of the float32 network; on a local disk `folder` appears by one rename, complete.

    `classes`: names of the classes of the labels that are strings.
    """
    classes = classes or {}
    module = ExportModule(model, transform, package, classes)
    signatures = module.signatures()
    require_no_python(signatures, package.name)
    named = {**classes, **find_own_classes(transform, package.labels, module.label_columns)}

    if "://" in folder:
        # An object store has no rename of folders; readers wait for the announcement.
        write_model(module, signatures, package, named, folder)
        return
    with staged(folder) as path:
        write_model(module, signatures, package, named, path)


def write_model(
    module: ExportModule,
    signatures: Mapping[str, NamedFunction],
    package: ModelPackage,
    classes: Mapping[str, tuple[str, ...]],
    folder: str,
) -> None:
    """Writes the SavedModel, and beside it what its readers cannot find in its graph.

    Args:
        module: holds the network.
        signatures: of the module.
        package: the model package.
        classes: names of the classes by label.
        folder: where to write.
    """
    save(module, folder, signatures)
    write_classes(folder, classes)
    write_labels(folder, package.label)
    write_extra(folder, TYPICAL_FILE, module.typical)


def clear_announcement(run_dir: str) -> None:
    """Removes what an earlier attempt announced; called before the workers find each other."""
    path = os.path.join(run_dir, _ANNOUNCEMENT)
    if tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)


def announce_export(run_dir: str) -> None:
    """Tells the other workers that the export is complete."""
    tf.io.gfile.makedirs(run_dir)
    with tf.io.gfile.GFile(os.path.join(run_dir, _ANNOUNCEMENT), "w") as file:
        file.write("")


def await_export(run_dir: str, seconds: float) -> None:
    """Returns when the chief has announced its export.

    Raises:
        TrainingError: it has not within the time.
    """
    path = os.path.join(run_dir, _ANNOUNCEMENT)
    deadline = time.monotonic() + seconds
    while not tf.io.gfile.exists(path):
        if time.monotonic() > deadline:
            raise TrainingError(
                f"{path}: the chief has not finished its export within {seconds:.0f} s; look into its log, "
                f"or raise train.timeouts.export"
            )
        time.sleep(_POLL_SECONDS)
