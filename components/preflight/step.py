"""One batch through the network and one training step, as the trainer does it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from hilir.components.errors import LossIsNaN, PreflightError
from hilir.components.preflight.losses import require_labels, require_range, require_scores
from hilir.components.preflight.sample_rows import Sample, write_rows
from hilir.components.preflight.settings import PreflightSettings
from hilir.components.preflight.stage import stage, without_progress
from hilir.components.trainer.data.labels import Labels
from hilir.components.trainer.data.parsing import make_parsing
from hilir.components.trainer.fit import build_network, fit
from hilir.components.trainer.model.compilation import compile_arguments
from hilir.components.trainer.model.own_steps import replaced, unpacked
from hilir.components.trainer.model_data import make_model_data
from hilir.components.trainer.model_package import ModelPackage
from hilir.components.trainer.network import list_variables, name_outputs
from hilir.components.trainer.settings import TrainSettings
from hilir.components.trainer.state.early_stopping import describe_unknown, find_mode
from hilir.components.trainer.state.weights import build_optimizer
from hilir.components.trainer.training_job import TrainingJob


@dataclass(frozen=True)
class Step:
    """The network after one step, what training reported by name, and the outputs that are logits by their losses."""

    network: keras.Model
    figures: dict[str, float]
    logits: frozenset[str]


def make_job(settings: PreflightSettings, train: str, evaluation: str) -> TrainingJob:
    """Returns the training with the files of two patterns."""
    return TrainingJob(
        package=settings.package,
        code="",
        train=settings.train.model_dump(mode="json"),
        train_files=(train,),
        eval_files=(evaluation,),
        transform_output="",
        model_dir="",
        run_dir="",
        curated=settings.curated,
        pushed=settings.pushed,
        object_store=settings.object_store,
    )


def take_step(
    settings: PreflightSettings,
    package: ModelPackage,
    transform: tft.TFTransformOutput,
    labels: Labels,
    sample: Sample,
    folder: str,
) -> Step:
    """Builds the model, calls it with one batch, and trains one step as configured: precision, XLA, accumulation.

    Args:
        settings: the configuration.
        package: what the user wrote.
        transform: the transform graph.
        labels: those of all rows.
        sample: real rows.
        folder: where to write them, which exists.

    Raises:
        ComponentError: one of these fails; the model has no loss; the loss is not a finite number.
    """
    train, evaluation = (rows[: settings.train.batch_size] for rows in (sample.train, sample.evaluation))
    data = make_model_data(transform, package, labels.classes)
    parsing = make_parsing(transform.transformed_feature_spec(), package, labels.classes, None, drop=False)
    remedy = f"fix {package.name}"
    with stage("building the model", package.name, remedy):
        network = build_network(package, settings.train.hyperparameters, data)
    features, target, *weight = parsing(network).evaluation(tf.constant(train))
    inputs = features if isinstance(features, Mapping) else {"feature": features}
    targets = _name_labels(target, package)
    shapes = ", ".join(f"{name} {describe(value)}" for name, value in sorted(inputs.items()))
    shapes += _describe_sparse(inputs)
    with stage("one batch through the network", package.name, f"fix {package.name}.model; the features are {shapes}"):
        outputs = network(features, training=False)
    _require_loss(network, package)
    compiled = compile_arguments(network)
    require_outputs(compiled, outputs, network, package.name)
    require_scores(network, package)
    require_labels(compiled, network, targets, package)
    named = name_outputs(network, outputs, package.labels_of_outputs)
    _require_outputs_of_labels(named, network, package)
    logits = require_range(compiled, network, named, package)
    whole = {"batch_size": len(train), "batch_per": "global", "early_stopping": None}
    job = make_job(
        replace(settings, train=settings.train.model_copy(update=whole)),
        write_rows(os.path.join(folder, "train.gz"), train),
        write_rows(os.path.join(folder, "eval.gz"), evaluation),
    )
    batch = {**inputs, **targets, **{str(package.weight): each for each in weight}}
    what = ", ".join(f"the label '{name}' is {describe(each)}{_describe_range(each)}" for name, each in targets.items())
    what += _describe_sparse(inputs)
    with stage("one training step", package.name, f"{remedy}; {what}"), without_progress():
        try:
            trained = fit(job, package, transform, "one_device", callbacks=[_BuildOptimizer()], labels=labels)
        except LossIsNaN:
            # The trainer says where else to look; here the rows are at hand.
            _require_finite({"loss": math.nan}, network, package, batch)
            raise
    with stage("one training step of a replica", package.name, f"{remedy}; {what}"):
        _take_weighted_step(settings, network, features, target, len(train))
    figures = {name: float(values[-1]) for name, values in trained.history.items()}
    _require_finite(figures, trained.network, package, batch)
    return Step(trained.network, figures, logits)


def _take_weighted_step(
    settings: PreflightSettings, network: keras.Model, features: Any, target: Any, rows: int
) -> None:
    """Gives the model's own training step a batch as it will get it where there are several replicas.

    Raises:
        ModelPackageError: it cannot unpack the weights.
    """
    if not settings.replicas or not replaced(network, "train_step"):
        return
    with unpacked(network, replicas=True):
        network.train_step((features, target, tf.ones([rows])))


def _name_labels(target: Any, package: ModelPackage) -> dict[str, tf.Tensor]:
    """Returns by name what the parser gives for the labels: one tensor, or one for each output in their order."""
    if isinstance(package.label, str):
        return {package.label: target}
    return dict(zip(package.label.values(), target.values(), strict=True))


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


def require_directions(train: TrainSettings, network: keras.Model) -> None:
    """Checks that which way is better is known of what the configuration watches.

    Raises:
        PreflightError: it is not; the key that says so is named.
    """
    stopping, tuning = train.early_stopping, train.tune
    if stopping is not None and stopping.mode == "auto" and find_mode(stopping.monitor, network) is None:
        raise PreflightError(describe_unknown("train.early_stopping.monitor", stopping.monitor, "mode"))
    if tuning.enabled and tuning.direction == "auto" and find_mode(tuning.objective) is None:
        raise PreflightError(describe_unknown("train.tune.objective", tuning.objective, "direction"))


def describe(value: Any) -> str:
    """Returns type and shape of a tensor for a message: `int64 [rows, 1]`, `sparse int64 [rows, ?]`."""
    kind = {tf.SparseTensor: "sparse ", tf.RaggedTensor: "ragged "}.get(type(value), "")
    # How wide the sample's longest row is says nothing of other batches.
    sizes = ["rows", *("?" if size is None or kind else str(size) for size in value.shape[1:])]
    return f"{kind}{value.dtype.name} [{', '.join(sizes)}]"


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


def _require_outputs_of_labels(outputs: Mapping[str, Any], network: keras.Model, package: ModelPackage) -> None:
    unknown = [name for name in package.labels_of_outputs if name not in outputs]
    if unknown and not replaced(network, "train_step", "compute_loss"):
        raise PreflightError(
            f"features.LABEL of {package.name} names the output {', '.join(map(repr, unknown))}, which the model "
            f"'{network.name}' does not have; its outputs are {', '.join(outputs)}; answer a dict with a key for each "
            f"label, or make one label of them in preprocessing_fn: tf.concat([x, y], axis=1)"
        )


def _require_finite(
    figures: dict[str, float], network: keras.Model, package: ModelPackage, batch: dict[str, Any]
) -> None:
    loss = figures.get("loss", 0.0)
    if not math.isfinite(loss):
        fact = f"the loss of the first training step is {loss}"
    elif not all(_is_finite(variable) for variable in list_variables(network)):
        fact = "the first training step makes weights that are not finite numbers"
    else:
        return
    wrong = [name for name, value in sorted(batch.items()) if not _is_finite(value)]
    look = (
        f"{', '.join(wrong)} has values that are not finite in these rows; look at logarithms and divisions in "
        f"preprocessing_fn, and fill missing values there"
        if wrong
        else f"the features and the label are finite; look at the loss and at logarithms and divisions in "
        f"{package.name}.model"
    )
    raise PreflightError(f"{fact}; {look}")


def _describe_sparse(features: Mapping[str, Any]) -> str:
    names = ", ".join(f"'{name}'" for name, value in sorted(features.items()) if isinstance(value, tf.SparseTensor))
    remedy = "rows may lack a value; where the model wants one, let preprocessing_fn make it dense (tf.sparse.to_dense)"
    return f"; the features {names} are sparse, as {remedy}" if names else ""


def _describe_range(label: Any) -> str:
    if not isinstance(label, tf.Tensor) or label.dtype == tf.string:
        return ""
    values = label.numpy()
    found = f", from {values.min():g} to {values.max():g} in these rows"
    if not label.dtype.is_integer or not values.min():
        return found
    return f"{found}; the classes of a loss are numbered from 0, so that preprocessing_fn has to subtract the smallest"


def _is_finite(value: Any) -> bool:
    flat = value.values if isinstance(value, tf.SparseTensor) else getattr(value, "flat_values", value)
    return not tf.as_dtype(flat.dtype).is_floating or bool(np.isfinite(flat.numpy()).all())
