"""What one training is to do: everything that TFX's arguments say of it, and nothing that cannot be written as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hilir.components.trainer.settings import TrainSettings

# How a training is watched over does not change what it computes, so that its checkpoints stay good.
_WITHOUT_EFFECT_ON_WEIGHTS = ("max_restarts", "timeouts", "tune", "tensorboard")


@dataclass(frozen=True)
class TrainingJob:
    """Inputs, settings and outputs of one training; the paths may be gs://.

    `curated`: whether the schema was written by hand, so that its domains say what there is; `pushed`: the folder of
    the model's versions, whose last one says which classes there were; `object_store`: whether that is one, even where
    a rehearsal keeps it in a folder.
    """

    package: str
    code: str
    train: Mapping[str, Any]
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    transform_output: str
    model_dir: str
    run_dir: str
    base_model: str | None = None
    tuned: Mapping[str, Any] | None = None
    curated: bool = False
    pushed: str = ""
    object_store: bool = False

    @property
    def settings(self) -> TrainSettings:
        """The checked `train` section."""
        return TrainSettings.model_validate(self.train)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The configuration's values, and above them the tuner's."""
        return {**self.settings.hyperparameters, **(self.tuned or {})}

    def key(self) -> str:
        """Returns a string that is the same for trainings that compute the same, wherever they write."""
        content = asdict(self) | {"model_dir": "", "run_dir": ""}
        content["train"] = {name: value for name, value in self.train.items() if name not in _WITHOUT_EFFECT_ON_WEIGHTS}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Returns the job as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TrainingJob:
        """Returns the job that `to_json` wrote."""
        content = json.loads(text)
        return cls(
            **content | {name: tuple(content[name]) for name in ("train_files", "eval_files")},
        )


def read_job(fn_args: Any) -> TrainingJob:
    """Returns the job that TFX's FnArgs (of a Trainer or a Tuner) describe."""
    config = fn_args.custom_config
    return TrainingJob(
        package=config["package"],
        code=config["code"],
        train=config["train"],
        train_files=tuple(fn_args.train_files),
        eval_files=tuple(fn_args.eval_files),
        transform_output=fn_args.transform_graph_path,
        model_dir=fn_args.serving_model_dir or "",
        run_dir=fn_args.model_run_dir or "",
        base_model=fn_args.base_model,
        tuned=read_tuned(fn_args.hyperparameters),
        curated=config.get("curated", False),
        pushed=config.get("pushed", ""),
        object_store=config.get("object_store", False),
    )


def is_object_store(folder: str) -> bool:
    """Returns whether a folder is one of an object store, such as gs://…."""
    return "://" in folder


def read_tuned(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns the hyperparameters in a KerasTuner configuration; values that are not plain numbers are JSON strings."""
    if config is None:
        return None
    return {name: _plain(value) for name, value in config["values"].items() if not name.startswith("tuner/")}


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "[{":
        return json.loads(value)
    return value
