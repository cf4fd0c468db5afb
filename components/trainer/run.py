"""The trainer's entry point: TFX's GenericExecutor calls `run_fn`."""

from __future__ import annotations

import os
from typing import Any

from hilir.components.trainer.distribution.cluster import read_role
from hilir.components.trainer.distribution.strategy import check_gpus, choose, look_at_machine, needs_own_process
from hilir.components.trainer.launch import launch
from hilir.components.trainer.model_package import load_package
from hilir.components.trainer.settings import TrainSettings
from hilir.components.trainer.train import train
from hilir.components.trainer.training_job import is_object_store, read_job


def make_custom_config(
    package: str, settings: TrainSettings, code: str, *, pushed: str = "", curated: bool = False
) -> dict[str, Any]:
    """Returns the Trainer's `custom_config`.

    Args:
        package: import path of the model package.
        settings: the configuration.
        code: fingerprint of the package, which TFX hashes with it.
        pushed: the folder of the model's versions; the last one says which classes there were.
        curated: whether the schema was written by hand, so that its domains say which classes there are.
    """
    return {
        "package": package,
        "train": settings.model_dump(mode="json"),
        "code": code,
        "pushed": pushed,
        "object_store": is_object_store(pushed),
        "curated": curated,
    }


def run_fn(fn_args: Any) -> None:
    """Trains the model and exports it with its signatures to `fn_args.serving_model_dir`.

    Where TF_CONFIG or CLUSTER_SPEC names a cluster this process is one of its workers. Otherwise it trains alone, or
    starts the workers and watches over them.

    Args:
        fn_args: TFX's FnArgs; `custom_config` as `make_custom_config` writes it.

    Raises:
        ModelPackageError: the model package lacks something or does not fit its data.
        TrainingError: the training cannot be set up as asked, or its workers failed too often.
    """
    job = read_job(fn_args)
    load_package(job.package)
    role, machine, settings = read_role(os.environ), look_at_machine(), job.settings
    check_gpus(machine)
    kind = choose(settings, role, machine)
    if needs_own_process(kind, settings, role, machine):
        launch(job, kind, settings.workers or 1 if kind == "multi_worker" else 1, machine.gpus)
    else:
        train(job, kind, role if kind == "multi_worker" else None)
