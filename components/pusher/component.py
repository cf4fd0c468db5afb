"""The TFX component of the push."""

from __future__ import annotations

import json
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from hilir.components.exporter.artifact import ModelExport
from hilir.components.pusher.executor import Executor


class PusherSpec(component_spec.ComponentSpec):
    """What the push needs and makes."""

    PARAMETERS = {"custom_config": component_spec.ExecutionParameter(type=str)}  # noqa: RUF012 - TFX's form
    INPUTS = {  # noqa: RUF012
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        "tflite": component_spec.ChannelParameter(type=ModelExport, optional=True),
        "tfjs": component_spec.ChannelParameter(type=ModelExport, optional=True),
    }
    OUTPUTS = {  # noqa: RUF012
        "pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)
    }


class Pusher(base_component.BaseComponent):
    """Makes a blessed model the next version below the serving root."""

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        evaluation: types.BaseChannel,
        examples: types.BaseChannel,
        schema: types.BaseChannel,
        settings: dict[str, Any],
        tflite: types.BaseChannel | None = None,
        tfjs: types.BaseChannel | None = None,
    ) -> None:
        """Makes the node.

        Args:
            model: the trained model.
            model_blessing: the Evaluator's verdict.
            evaluation: the Evaluator's metrics, for the manifest.
            examples: the raw examples, for the golden requests.
            schema: of the raw examples; the version carries it.
            tflite: the exports for TensorFlow Lite, if any; they get the same version number.
            tfjs: the exports for TensorFlow.js, if any.
            settings: `root`, `model`, `pipeline`, `thresholds`, `code` (fingerprint and commit) and
                `classes` (`label`, and the `names` that the configuration gives its classes); maybe `card`, what the
                configuration says for the model card.
        """
        super().__init__(
            spec=PusherSpec(
                custom_config=json.dumps(settings, sort_keys=True),
                model=model,
                model_blessing=model_blessing,
                evaluation=evaluation,
                examples=examples,
                schema=schema,
                tflite=tflite,
                tfjs=tfjs,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
