"""One training from its job to its export; the same for every strategy and every process of a cluster."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow_transform as tft
import tf_keras as keras

from hilir.components.trainer.callbacks import report_progress
from hilir.components.trainer.distribution.cluster import Role
from hilir.components.trainer.distribution.strategy import Kind
from hilir.components.trainer.export.saved_model import announce_export, await_export, clear_announcement, export
from hilir.components.trainer.fit import Ready, fit
from hilir.components.trainer.model.compression import measure_sparsity
from hilir.components.trainer.model_package import load_package
from hilir.components.trainer.state.notes import write_notes
from hilir.components.trainer.state.weights import save_weights
from hilir.components.trainer.training_job import TrainingJob


def train(
    job: TrainingJob,
    kind: Kind,
    role: Role | None = None,
    on_ready: Ready = lambda: None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Trains, exports to `job.model_dir` and saves the weights to `job.run_dir`.

    Every process of a cluster calls this; none returns before the chief's export is complete.

    Raises:
        ModelPackageError: the model package lacks something or does not fit its data.
        TrainingError: the training cannot be set up as asked.
        Preempted: the process was asked to stop, and saved a checkpoint.
    """
    is_chief = role is None or role.is_chief
    if is_chief:
        clear_announcement(job.run_dir)
    package = load_package(job.package)
    transform = tft.TFTransformOutput(job.transform_output)
    trained = fit(job, package, transform, kind, role, on_ready, callbacks)
    if not is_chief:
        await_export(job.run_dir, job.settings.timeouts.export)
        return
    if job.settings.pruning is not None:
        report_progress({"sparsity": round(measure_sparsity(trained.network), 4)})
    write_notes(job.run_dir, trained.labels.notes())
    save_weights(job.run_dir, trained.network, job.hyperparameters, trained.optimizer)
    export(trained.network, transform, package, job.model_dir, trained.labels.classes)
    announce_export(job.run_dir)
    if trained.checkpoints is not None:
        trained.checkpoints.delete()
