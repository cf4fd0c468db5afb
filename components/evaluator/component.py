"""The TFX component of the evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts, standard_component_specs

from hilir.components.evaluator.executor import Executor


class EvaluatorSpec(standard_component_specs.EvaluatorSpec):
    """What TFX's Evaluator needs, and our settings."""

    PARAMETERS = standard_component_specs.EvaluatorSpec.PARAMETERS | {
        "settings": component_spec.ExecutionParameter(type=str)
    }


class Evaluator(base_beam_component.BaseBeamComponent):
    """Computes the metrics of a candidate, and blesses it if it keeps its thresholds."""

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel,
        schema: types.BaseChannel,
        eval_config: config_pb2.EvalConfig,
        baseline: str,
        split: str,
        code: Mapping[str, str],
    ) -> None:
        """Makes the node.

        Args:
            examples: the raw examples.
            model: the candidate.
            baseline_model: the model to compare with; there may be none.
            schema: of the raw examples.
            eval_config: as `make_eval_config` returns it.
            baseline: `compare` or `skip_incompatible`.
            split: of the examples, which is evaluated.
            code: fingerprints of the modules of the user's own metrics, for the cache.
        """
        super().__init__(
            spec=EvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                schema=schema,
                eval_config=eval_config,
                example_splits=json.dumps([split]),
                fairness_indicator_thresholds="null",
                settings=json.dumps({"baseline": baseline, "code": dict(code)}, sort_keys=True),
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
