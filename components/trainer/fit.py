"""Fits the model: strategy, precision, data, checkpoints and callbacks brought together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from hilir.components.errors import ModelPackageError
from hilir.components.trainer.callbacks import make_callbacks, report_progress
from hilir.components.trainer.data.batch_size import make_batching, scale_factor
from hilir.components.trainer.data.feed import make_feed
from hilir.components.trainer.data.labels import Labels, class_weights, read_labels
from hilir.components.trainer.data.parsing import Parsing, make_parsing
from hilir.components.trainer.distribution.cluster import Role
from hilir.components.trainer.distribution.gpu_memory import set_gpu_memory
from hilir.components.trainer.distribution.strategy import Kind, check_compiler, make_strategy
from hilir.components.trainer.export.class_names import read_classes
from hilir.components.trainer.model.class_rows import copy_known_classes
from hilir.components.trainer.model.compilation import compile_arguments, recompile
from hilir.components.trainer.model.compression import compress, strip
from hilir.components.trainer.model.own_steps import unpacked
from hilir.components.trainer.model_data import ModelData, make_model_data
from hilir.components.trainer.model_package import ModelPackage
from hilir.components.trainer.network import build_by_call
from hilir.components.trainer.settings import TrainSettings
from hilir.components.trainer.state.checkpoint import Checkpoints, Position, find_checkpoint
from hilir.components.trainer.state.early_stopping import make_early_stopping
from hilir.components.trainer.state.preemption import StopOnRequest
from hilir.components.trainer.state.weights import load_optimizer, load_weights, read_optimizer, run_dir_of
from hilir.components.trainer.training_job import TrainingJob

Ready = Callable[[], None]
"""Called once the strategy is made: all workers have found each other."""

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Trained:
    """What a training came to."""

    network: keras.Model
    history: dict[str, list[float]]
    optimizer: list[np.ndarray]
    checkpoints: Checkpoints | None
    labels: Labels


def fit(
    job: TrainingJob,
    package: ModelPackage,
    transform: tft.TFTransformOutput,
    kind: Kind,
    role: Role | None = None,
    on_ready: Ready = lambda: None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    labels: Labels | None = None,
) -> Trained:
    """Trains and returns the float32 network without any wrapping, outside of the strategy.

    `labels`: where the files of the job are a sample only, those of all rows.
    """
    settings = job.settings
    spec = transform.transformed_feature_spec()
    require_labels(package, transform)
    set_gpu_memory(settings.gpu_memory)
    strategy = make_strategy(kind, settings, role)
    on_ready()
    check_compiler(settings, strategy)
    # Not before the strategy is made, which chooses the devices of the process.
    labels = labels or read_labels(job, package, transform)
    data = make_model_data(transform, package, labels.classes)
    parsing = make_parsing(spec, package, labels.classes, class_weights(job, package, labels), drop=labels.has_missing)
    _seed(settings.seed)
    if role is None or role.is_chief:
        _report(labels)
    with _precision(settings, kind):
        session = _Session(job, package, data, labels, strategy, role)
        history, optimizer = session.run(parsing(session.model), callbacks)
    network = build_network(package, job.hyperparameters, data)
    _copy(session.model, network, settings)
    return Trained(network, history, optimizer, session.checkpoints, labels)


def require_labels(package: ModelPackage, transform: tft.TFTransformOutput) -> None:
    """Raises ModelPackageError if a label is not among the transformed features."""
    spec = transform.transformed_feature_spec()
    for label in package.labels:
        if label not in spec:
            raise ModelPackageError(
                f"{package.name}.features.LABEL is '{label}', which preprocessing_fn does not return; "
                f"it returns {', '.join(sorted(spec))}"
            )


def _report(labels: Labels) -> None:
    """Tells what is left out, what is new, and what is too little, before the training."""
    for name, split in labels.splits.items():
        if split.missing:
            report_progress({"rows without a label": f"{split.missing:,} of {split.rows:,} in '{name}', left out"})
    for label, names in labels.added.items():
        if names and len(names) < len(labels.classes[label]):
            report_progress({f"new classes of {label}": ", ".join(names)})
    for warning in labels.warnings():
        report_progress({"warning": warning})


def build_network(package: ModelPackage, hyperparameters: dict[str, Any], data: ModelData) -> keras.Model:
    """Returns the model package's compiled model, with its variables.

    Raises:
        ModelPackageError: it is not a compiled tf_keras model.
    """
    # Keras numbers the layers without a name through the process: the same package gives the same names each time.
    keras.backend.reset_uids()
    model = package.build(package.make_hyperparameters(hyperparameters), data)
    if not isinstance(model, keras.Model) or model.optimizer is None:
        if type(model).__module__.partition(".")[0] == "keras":
            raise ModelPackageError(
                f"{package.name}.model.build_model returned a {type(model).__name__} of Keras 3; hilir trains "
                f"models of Keras 2: write 'import tf_keras as keras' instead of 'import keras'"
            )
        raise ModelPackageError(
            f"{package.name}.model.build_model returned {type(model).__name__}, not a compiled tf_keras model; "
            f"call model.compile(…) and return the model"
        )
    build_by_call(model, data.specs)
    return model


class _Session:
    """The parts of one training that belong together: model, data and state."""

    def __init__(
        self,
        job: TrainingJob,
        package: ModelPackage,
        data: ModelData,
        labels: Labels,
        strategy: tf.distribute.Strategy,
        role: Role | None,
    ) -> None:
        self._job = job
        self._data = data
        self._labels = labels
        self._settings = job.settings
        self._strategy = strategy
        self._is_chief = role is None or role.is_chief
        self._cluster = role is not None
        self._batching = make_batching(self._settings, strategy.num_replicas_in_sync)
        self._stopping = make_early_stopping(self._settings.early_stopping)
        self.checkpoints: Checkpoints | None = None
        with strategy.scope():
            self.model = self._make_model(package)

    def run(
        self, parsing: Parsing, callbacks: Sequence[keras.callbacks.Callback]
    ) -> tuple[dict[str, list[float]], list[np.ndarray]]:
        """Trains; returns each epoch's figures and the optimizer's state."""
        position = self._restore()
        settings = self._settings
        stop = StopOnRequest(self.checkpoints, cluster=self._cluster)
        own = make_callbacks(
            settings,
            self._job.run_dir,
            is_chief=self._is_chief,
            stop=stop,
            stopping=self._stopping,
            checkpoints=self.checkpoints,
        )
        feed = make_feed(self._job, self._strategy, self._batching, parsing, (position.epoch, position.step))
        self.model._maybe_load_initial_counters_from_ckpt = lambda _, __: (position.epoch, position.step)
        with stop.listening(), unpacked(self.model, replicas=self._batching.replicas > 1):
            history = self.model.fit(
                feed.train,
                validation_data=feed.evaluation,
                epochs=settings.epochs,
                steps_per_epoch=feed.steps,
                validation_steps=feed.evaluation_steps,
                callbacks=[*own, *callbacks],
                verbose=0,
            )
        return history.history, read_optimizer(self.model)

    def _make_model(self, package: ModelPackage) -> keras.Model:
        built = build_network(package, self._job.hyperparameters, self._data)
        base = None
        if self._settings.warm_start != "never" and self._job.base_model is not None:
            base = run_dir_of(self._job.base_model)
            self._start_from(base, built, package)
        model = compress(built, self._settings)
        factor = scale_factor(self._settings, self._batching)
        padded = self._batching.replicas > 1
        own = package.weight is not None
        recompile(model, compile_arguments(built), self._settings, factor, padded=padded, weighted=own)
        if base is not None and self._settings.warm_start == "weights_and_optimizer":
            load_optimizer(base, model, restart_schedule=self._settings.learning_rate is not None)
        if base is not None and self._is_chief:
            report_progress({"warm start": self._job.base_model})
        return model

    def _start_from(self, base: str, built: keras.Model, package: ModelPackage) -> None:
        """Gives the network the weights of the base model, for the classes that it has."""
        now = self._labels.classes
        before = {
            label: tuple(names) for label, names in read_classes(str(self._job.base_model)).items() if label in now
        }
        if not before or before == now:
            load_weights(base, built)
            return
        data = self._data.with_classes(before)
        source = build_network(package, self._job.hyperparameters, data)
        load_weights(base, source)
        copy_known_classes(source, built, before, now)
        if self._is_chief:
            for label, names in before.items():
                new = [name for name in now[label] if name not in names]
                report_progress({f"classes of {label}": f"{len(now[label]) - len(new)} known, {len(new)} new"})

    def _restore(self) -> Position:
        """Goes back to the latest checkpoint of the same training, if there is one."""
        beginning = Position(0, 0, "", stopped=False)
        if not self._settings.checkpoints or not self._job.run_dir:
            return beginning
        directory = checkpoint_directory(self._job)
        self.checkpoints = Checkpoints(directory, self.model, self._stopping, is_chief=self._is_chief)
        position = find_checkpoint(directory)
        if position is None:
            return beginning
        with self._strategy.scope():
            self.checkpoints.restore(position)
        if self._is_chief:
            report_progress({"resumed": f"epoch {position.epoch + 1} step {position.step}"})
        if position.stopped:
            return Position(self._settings.epochs, 0, position.folder, stopped=True)
        return position


def checkpoint_directory(job: TrainingJob) -> str:
    """Returns where the checkpoints of a job are: next to the runs' own folders, so that a later run finds them."""
    return os.path.join(os.path.dirname(os.path.dirname(job.run_dir.rstrip("/"))), CHECKPOINTS, job.key())


def _seed(seed: int) -> None:
    # tf.data takes the pair (0, 0) for "no seed" and cannot compare it with a seed that depends on the epoch.
    keras.utils.set_random_seed(seed or 2**31 - 1)
    tf.config.experimental.enable_op_determinism()


@contextmanager
def _precision(settings: TrainSettings, kind: Kind) -> Iterator[None]:
    """Trains in the configured precision; what is built afterwards is float32 again."""
    before = keras.mixed_precision.global_policy()
    name = settings.precision
    if name == "auto":
        name = "mixed_bfloat16" if kind == "tpu" else "float32"
    keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def _copy(trained: keras.Model, network: keras.Model, settings: TrainSettings) -> None:
    if settings.pruning is not None or settings.quantization_aware:
        strip(trained, network)
    else:
        network.set_weights(trained.get_weights())
