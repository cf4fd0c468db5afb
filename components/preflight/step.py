"""One batch through the network and one training step, as the trainer does it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from hilir.components.errors import PreflightError
from hilir.components.preflight.sample import Sample, write_rows
from hilir.components.preflight.settings import PreflightSettings
from hilir.components.preflight.stage import stage, without_progress
from hilir.components.trainer.data.dataset import make_parser
from hilir.components.trainer.fit import build_network, fit
from hilir.components.trainer.model.compilation import compile_arguments
from hilir.components.trainer.model.steps import replaced
from hilir.components.trainer.model_package import ModelPackage
from hilir.components.trainer.state.weights import build_optimizer
from hilir.components.trainer.training_job import TrainingJob


@dataclass(frozen=True)
class Step:
    """The network after one step, and what training reported, by name."""

    network: keras.Model
    figures: dict[str, float]


def take_step(
    settings: PreflightSettings, package: ModelPackage, transform: tft.TFTransformOutput, sample: Sample, folder: str
) -> Step:
    """Builds the model, calls it with one batch, and trains one step as configured: precision, XLA, accumulation.

    Args:
        settings: the configuration.
        package: what the user wrote.
        transform: the transform graph.
        sample: real rows.
        folder: where to write them, which exists.

    Raises:
        ComponentError: one of these fails; the model has no loss; the loss is not a finite number.
    """
    train, evaluation = (rows[: settings.train.batch_size] for rows in (sample.train, sample.evaluation))
    features, label = make_parser(transform.transformed_feature_spec(), package.label)(tf.constant(train))
    remedy = f"fix {package.name}"
    with stage("building the model", package.name, remedy):
        network = build_network(package, settings.train.hyperparameters)
    shapes = ", ".join(f"{name} {describe(value)}" for name, value in sorted(features.items()))
    with stage("one batch through the network", package.name, f"fix {package.name}.model; the features are {shapes}"):
        outputs = network(features, training=False)
    _require_loss(network, package)
    require_outputs(compile_arguments(network), outputs, network, package.name)
    job = TrainingJob(
        package=package.name,
        code="",
        train=settings.train.model_copy(
            update={"batch_size": len(train), "batch_per": "global", "early_stopping": None}
        ).model_dump(mode="json"),
        train_files=(write_rows(os.path.join(folder, "train.gz"), train),),
        eval_files=(write_rows(os.path.join(folder, "eval.gz"), evaluation),),
        transform_output="",
        model_dir="",
        run_dir="",
    )
    what = f"{remedy}; the label '{package.label}' is {describe(label)}{_describe_range(label)}"
    with stage("one training step", package.name, what), without_progress():
        trained = fit(job, package, transform, "one_device", callbacks=[_BuildOptimizer()])
    figures = {name: float(values[-1]) for name, values in trained.history.items()}
    _require_finite(figures, trained.network, package, {**features, package.label: label})
    return Step(trained.network, figures)


class _BuildOptimizer(keras.callbacks.Callback):
    """Makes the optimizer's variables before the step, which is traced twice if it has to make them itself."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        del logs
        if self.model.built:
            build_optimizer(self.model)


def require_monitored(monitored: dict[str, str], figures: Iterable[str]) -> None:
    """Checks that training reports what the configuration watches.

    Raises:
        PreflightError: it does not; what it reports is named.
    """
    known = sorted(figures)
    for key, name in monitored.items():
        if name not in known:
            raise PreflightError(
                f"{key} is '{name}', which the training does not report; it reports {', '.join(known)}"
            )


def describe(value: Any) -> str:
    """Returns type and shape of a tensor for a message: `int64 [rows, 1]`."""
    sizes = ["rows", *("?" if size is None else str(size) for size in value.shape[1:])]
    return f"{value.dtype.name} [{', '.join(sizes)}]"


def _require_loss(network: keras.Model, package: ModelPackage) -> None:
    if not network.loss and not network.losses and not replaced(network, "train_step", "compute_loss"):
        raise PreflightError(
            f"{package.name}.model.build_model compiles the model without a loss, so that nothing can be trained; "
            f"write model.compile(…, loss=…)"
        )


def require_outputs(compiled: Mapping[str, Any], outputs: Any, network: keras.Model, package: str) -> None:
    """Checks the names of outputs that the model was compiled with; Keras takes no notice of a loss for none of them.

    Raises:
        PreflightError: a loss or a metric is for an output that is not there.
    """
    known = sorted(outputs) if isinstance(outputs, Mapping) else list(getattr(network, "output_names", None) or [])
    for argument in ("loss", "loss_weights", "metrics", "weighted_metrics"):
        named = compiled.get(argument)
        unknown = [name for name in named if name not in known] if isinstance(named, Mapping) and known else []
        if unknown:
            raise PreflightError(
                f"{package}.model.build_model compiles the model with {argument} for the output '{unknown[0]}', "
                f"which it does not have; its outputs are {', '.join(known)}"
            )


def _require_finite(
    figures: dict[str, float], network: keras.Model, package: ModelPackage, batch: dict[str, Any]
) -> None:
    loss = figures.get("loss", 0.0)
    if not math.isfinite(loss):
        fact = f"the loss of the first training step is {loss}"
    elif not all(_is_finite(variable) for variable in network.weights):
        fact = "the first training step makes weights that are not finite numbers"
    else:
        return
    wrong = [name for name, value in sorted(batch.items()) if not _is_finite(value)]
    look = (
        f"{', '.join(wrong)} has values that are not finite in these rows; fill missing values in preprocessing_fn"
        if wrong
        else f"the features and the label are finite; look at the loss and at logarithms and divisions in "
        f"{package.name}.model"
    )
    raise PreflightError(f"{fact}; {look}")


def _describe_range(label: Any) -> str:
    if not isinstance(label, tf.Tensor) or label.dtype == tf.string:
        return ""
    values = label.numpy()
    return f", from {values.min():g} to {values.max():g} in these rows"


def _is_finite(value: Any) -> bool:
    flat = value.values if isinstance(value, tf.SparseTensor) else getattr(value, "flat_values", value)
    return not tf.as_dtype(flat.dtype).is_floating or bool(np.isfinite(flat.numpy()).all())
