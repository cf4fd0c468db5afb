"""The trainer's entry point: TFX's GenericExecutor calls `run_fn`."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from components.errors import ModelPackageError
from components.trainer.callbacks import make_callbacks
from components.trainer.dataset import make_batches, read_records, shuffle_records
from components.trainer.learning_rate import recompile
from components.trainer.package import ModelPackage, load_package
from components.trainer.settings import TrainSettings
from components.trainer.signatures import ExportModule


def make_custom_config(package: str, settings: TrainSettings, code: str) -> dict[str, Any]:
    """Returns the Trainer's `custom_config`; `code` is the fingerprint of the package, which TFX hashes with it."""
    return {"package": package, "train": settings.model_dump(mode="json"), "code": code}


def run_fn(fn_args: Any) -> None:
    """Trains the model and exports it with its signatures to `fn_args.serving_model_dir`.

    Args:
        fn_args: TFX's FnArgs; `custom_config` as `make_custom_config` writes it.

    Raises:
        ModelPackageError: the model package lacks something or does not fit its data.
    """
    settings = TrainSettings.model_validate(fn_args.custom_config["train"])
    package = load_package(fn_args.custom_config["package"])
    transform = tft.TFTransformOutput(fn_args.transform_output)
    spec = transform.transformed_feature_spec()
    if package.label not in spec:
        raise ModelPackageError(
            f"{package.name}.features.LABEL is '{package.label}', which preprocessing_fn does not return; "
            f"it returns {', '.join(sorted(spec))}"
        )
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    model = _compiled(package, settings)
    _fit(model, settings, fn_args, spec, package.label)
    export(model, transform, package, fn_args.serving_model_dir)


def export(model: keras.Model, transform: tft.TFTransformOutput, package: ModelPackage, folder: str) -> None:
    """Writes the SavedModel; `folder` is complete once `saved_model.pb` is there."""
    module = ExportModule(model, transform, package.label, package.label_columns)
    tf.saved_model.save(module, folder, signatures=module.signatures())


def _compiled(package: ModelPackage, settings: TrainSettings) -> keras.Model:
    model = package.build_model(package.make_hyperparameters(settings.hyperparameters))
    if not isinstance(model, keras.Model) or model.optimizer is None:
        raise ModelPackageError(
            f"{package.name}.model.build_model returned {type(model).__name__}, not a compiled tf_keras model; "
            f"call model.compile(…) and return the model"
        )
    if settings.learning_rate is not None:
        recompile(model, settings.learning_rate)
    return model


def _fit(model: keras.Model, settings: TrainSettings, fn_args: Any, spec: dict[str, Any], label: str) -> None:
    records = shuffle_records(read_records(fn_args.train_files), settings.shuffle_buffer, settings.seed)
    if settings.steps_per_epoch is not None:
        records = records.repeat()
    train = make_batches(records, spec, label, settings.batch_size)
    evaluation = make_batches(read_records(fn_args.eval_files), spec, label, settings.batch_size).cache()
    model.fit(
        train,
        validation_data=evaluation,
        epochs=settings.epochs,
        steps_per_epoch=settings.steps_per_epoch,
        callbacks=make_callbacks(settings, os.path.join(fn_args.model_run_dir)),
        verbose=0,
    )
