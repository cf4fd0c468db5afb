"""The tuner's entry point: TFX's Tuner executor calls `tuner_fn` and writes down the best values."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from typing import Any

import keras_tuner
import tensorflow_transform as tft
import tf_keras as keras
from keras_tuner.engine import base_tuner
from keras_tuner.errors import FatalError
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from hilir.components.errors import ComponentError, TrainingError
from hilir.components.trainer.callbacks import report_progress
from hilir.components.trainer.distribution.strategy import Kind, look_at_machine
from hilir.components.trainer.fit import fit
from hilir.components.trainer.model_package import ModelPackage, load_package
from hilir.components.trainer.settings import BestMode, Tuning
from hilir.components.trainer.state.early_stopping import describe_unknown, find_mode
from hilir.components.trainer.training_job import TrainingJob, read_job, read_tuned
from hilir.components.tuner.space import find_overridden, read_space


def find_best_mode(tuning: Tuning) -> BestMode:
    """Returns whether the least or the greatest value of the objective is the best.

    Raises:
        TrainingError: neither the configuration nor its name says so.
    """
    mode = find_mode(tuning.objective) if tuning.direction == "auto" else tuning.direction
    if mode is None:
        raise TrainingError(describe_unknown("train.tune.objective", tuning.objective, "direction"))
    return mode


class Search(base_tuner.BaseTuner):
    """Trains once per trial, exactly as the Trainer does, on this machine.

    Where KERASTUNER_ORACLE_IP is set, several machines search together: one process, KerasTuner's chief, gives out the
    trials and trains none.
    """

    _best: float | None = None

    def search(self, *arguments: Any, **named: Any) -> None:
        """Searches; on the machine that started the chief, returns when the chief has written down the best.

        Raises:
            TrainingError: the chief failed.
        """
        # TFX starts the chief as a child of the first machine's process, waits for it when that process ends and does
        # not look at its exit code: it would wait for ever after a failure here, and count the chief's as a success.
        chiefs = multiprocessing.active_children() if "KERASTUNER_ORACLE_IP" in os.environ else []
        try:
            super().search(*arguments, **named)
        except BaseException:
            for chief in chiefs:
                chief.kill()
            raise
        for chief in chiefs:
            chief.join()
            if chief.exitcode:
                raise TrainingError(
                    f"the chief of the search ended with exit code {chief.exitcode}; the reason is in the log of the "
                    f"Tuner's job, machine workerpool0-0: fix it and run again"
                )

    def run_trial(
        self, trial: Any, *, job: TrainingJob, package: ModelPackage, transform: tft.TFTransformOutput, kind: Kind
    ) -> float:
        """Returns the best value of the objective over the trial's epochs."""
        try:
            return self._run(trial, job, package, transform, kind)
        except ComponentError as error:
            # KerasTuner turns any other error into one of its own that does not name the cause.
            raise FatalError(str(error)) from error

    def _run(
        self, trial: Any, job: TrainingJob, package: ModelPackage, transform: tft.TFTransformOutput, kind: Kind
    ) -> float:
        tuning = job.settings.tune
        tuned = read_tuned({"values": trial.hyperparameters.values})
        keras.backend.clear_session()
        history = fit(replace(job, tuned=tuned), package, transform, kind).history
        if tuning.objective not in history:
            raise TrainingError(
                f"train.tune.objective is '{tuning.objective}', which the training does not report; "
                f"it reports {', '.join(sorted(history))}"
            )
        better = min if find_best_mode(tuning) == "min" else max
        value = float(better(history[tuning.objective]))
        # Where several machines search, each knows its own trials.
        best = self._best = better(value, value if self._best is None else self._best)
        # Trials are numbered from 0.
        figures = {"trial": f"{int(trial.trial_id) + 1}/{tuning.trials}", f"best {tuning.objective}": round(best, 4)}
        report_progress(figures)
        return value


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Returns the search; `fn_args.custom_config` as the Trainer gets it.

    Raises:
        ModelPackageError: the package declares no search space.
    """
    job = read_job(fn_args)
    package = load_package(job.package)
    job = _make_trial_job(job)
    space = read_space(package, find_overridden(job.settings.learning_rate))
    search = Search(
        _make_oracle(job.settings.tune, space, job.settings.seed),
        directory=os.environ.get("KERASTUNER_DIRECTORY") or fn_args.working_dir,
        project_name="search",
    )
    # A trial has one machine to itself, whatever the training proper is spread over.
    kind: Kind = "mirrored" if look_at_machine().gpus > 1 else "one_device"
    transform = tft.TFTransformOutput(job.transform_output)
    return TunerFnResult(
        tuner=search, fit_kwargs={"job": job, "package": package, "transform": transform, "kind": kind}
    )


def _make_trial_job(job: TrainingJob) -> TrainingJob:
    """Returns the job of one trial: shorter if so configured, and leaving nothing behind."""
    train = dict(job.train)
    train |= {
        "epochs": job.settings.tune.epochs or job.settings.epochs,
        "checkpoints": False,
        "checkpoint_steps": None,
        "tensorboard": False,
        "warm_start": "never",
        "strategy": "auto",
        "devices": None,
        "workers": None,
    }
    return replace(job, train=train)


def _make_oracle(tuning: Tuning, space: keras_tuner.HyperParameters, seed: int) -> Any:
    objective = keras_tuner.Objective(tuning.objective, direction=find_best_mode(tuning))
    oracles = {
        "random": keras_tuner.oracles.RandomSearchOracle,
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
        "grid": keras_tuner.oracles.GridSearchOracle,
    }
    return oracles[tuning.algorithm](
        objective=objective,
        max_trials=tuning.trials,
        seed=seed,
        hyperparameters=space,
        allow_new_entries=False,
        tune_new_entries=False,
        # A trial that raises ends the search: its cause is in the model package, not in the values.
        max_consecutive_failed_trials=1,
    )
