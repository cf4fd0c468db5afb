"""Settings of a preflight: the parts of the configuration that it reads, so that no other change makes it run again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hilir.components.evaluator.settings import EvaluateSettings, Metric
from hilir.components.exporter.parity import MetricSpec, choose_metric
from hilir.components.exporter.settings import ExportSettings
from hilir.components.settings import SplitRoles
from hilir.components.trainer.settings import TrainSettings
from hilir.components.trainer.training_job import is_object_store

_ROLES = SplitRoles()
_FIXED: dict[str, Any] = {
    "strategy": "one_device",
    "devices": None,
    "workers": None,
    "epochs": 1,
    "steps_per_epoch": 1,
    "steps_per_execution": 1,
    "shuffle_buffer": 1,
    "checkpoints": False,
    "checkpoint_steps": None,
    "tensorboard": False,
    "warm_start": "never",
    "max_restarts": 0,
}
"""One step in this process, which leaves nothing behind."""


@dataclass(frozen=True)
class PreflightSettings:
    """The checked configuration.

    Attributes:
        model: the name under which the model is served.
        package: import path of the model package.
        train: as configured, for one step in one process.
        evaluate: output and metrics; thresholds and slices are left out.
        export: the variants that are wanted.
        metric: what exports are compared by; None where none is wanted.
        pushed: the folder of the model's versions, as the Trainer gets it.
        object_store: whether that is one of an object store.
        curated: whether the schema was written by hand.
        replicas: whether the training will have several, as far as the configuration says.
        roles: which splits the rows are taken from.
    """

    model: str
    package: str
    train: TrainSettings
    evaluate: EvaluateSettings
    export: ExportSettings
    metric: MetricSpec | None
    pushed: str
    object_store: bool
    curated: bool
    replicas: bool
    roles: SplitRoles = _ROLES

    def monitored(self) -> dict[str, str]:
        """Returns the names that training must report, by the key that names each."""
        found = {}
        if self.train.early_stopping is not None:
            found["train.early_stopping.monitor"] = self.train.early_stopping.monitor
        if self.train.tune.enabled:
            found["train.tune.objective"] = self.train.tune.objective
        return found


def make_parameter(
    model: str,
    package: str,
    train: TrainSettings,
    evaluate: EvaluateSettings,
    export: ExportSettings,
    code: Mapping[str, Any],
    *,
    roles: SplitRoles = _ROLES,
    pushed: str = "",
    curated: bool = False,
) -> str:
    """Returns the parameter `settings` of the component.

    Args:
        model: its name.
        package: import path of the model package.
        train: the configuration's section; the keys that one step does not depend on are left out.
        evaluate: likewise, without thresholds and slices.
        export: likewise.
        code: fingerprints of the user's code, for TFX's cache.
        roles: which splits its rows are taken from.
        pushed: the folder of the model's versions; the last one says which classes there were.
        curated: whether the schema was written by hand, so that its domains say which classes there are.
    """
    wanted = export.tflite.variants or export.tfjs.variants
    content = {
        "model": model,
        "package": package,
        "train": train.model_dump(mode="json", exclude=set(_FIXED)),
        "evaluate": {
            "output": evaluate.output,
            "metrics": [metric.model_dump(mode="json", by_alias=True) for metric in evaluate.metrics],
        },
        "export": export.model_dump(mode="json"),
        "metric": vars(choose_metric(export, evaluate)) if wanted else None,
        "code": code,
        "pushed": pushed,
        "object_store": is_object_store(pushed),
        "curated": curated,
        "replicas": train.has_replicas,
        "roles": roles.names,
    }
    return json.dumps(content, sort_keys=True)


def read_parameter(text: str) -> PreflightSettings:
    """Returns what `make_parameter` wrote."""
    content = json.loads(text)
    evaluate = EvaluateSettings.model_construct(
        output=content["evaluate"]["output"],
        plots=False,
        metrics=[Metric.model_validate(metric) for metric in content["evaluate"]["metrics"]],
        slices={},
        thresholds=[],
    )
    return PreflightSettings(
        model=content["model"],
        package=content["package"],
        train=TrainSettings.model_validate(content["train"] | _FIXED),
        evaluate=evaluate,
        export=ExportSettings.model_validate(content["export"]),
        metric=MetricSpec(**content["metric"]) if content["metric"] else None,
        pushed=content["pushed"],
        object_store=content["object_store"],
        curated=content["curated"],
        replicas=content["replicas"],
        roles=SplitRoles.model_validate(content["roles"]),
    )
