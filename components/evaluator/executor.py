"""The TFX executor of the evaluation."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.components.evaluator import executor as tfx_evaluator
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import (
    BASELINE_MODEL_KEY,
    EVAL_CONFIG_KEY,
    EVALUATION_KEY,
    EXAMPLE_SPLITS_KEY,
    MODEL_KEY,
)
from tfx.utils import io_utils, path_utils

from hilir.components.errors import EvaluationError
from hilir.components.evaluator.comparison import Comparison, write_comparison
from hilir.components.evaluator.extraction import find_bad_answer, find_refusal
from hilir.components.evaluator.grouped.evaluate_groups import evaluate
from hilir.components.evaluator.outputs import choose_outputs, named_outputs, read_inputs, read_outputs
from hilir.components.evaluator.results import name_slicing

progress = logging.getLogger("hilir.progress")

_Artifacts = dict[str, list[types.Artifact]]


# A subclass of TFX's own, though nothing of it is used: on Vertex AI TFX's entry point writes the candidate's name into
# the verdict, by which the resolver of the next run finds it, for subclasses alone.
class Executor(tfx_evaluator.Executor):
    """Evaluates the candidate, against a baseline if there is one that can answer."""

    def Do(self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802 - TFX's name
        """Writes metrics, plots, verdict and what they were compared with.

        Raises:
            EvaluationError: the model does not have the outputs that the metrics read, or answers NaN; or the baseline
                cannot answer and the configuration does not let that pass.
        """
        try:
            self._evaluate(input_dict, output_dict, exec_properties)
        except Exception as error:
            fault = find_bad_answer(error)
            if fault is None:
                raise
            raise EvaluationError(fault) from error

    def _evaluate(self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]) -> None:
        settings = json.loads(exec_properties["settings"])
        config = config_pb2.EvalConfig()
        json_format.Parse(exec_properties[EVAL_CONFIG_KEY], config)
        candidate = read_outputs(path_utils.serving_model_path(input_dict[MODEL_KEY][0].uri))
        config = choose_outputs(config, candidate)
        baseline = next(iter(input_dict.get(BASELINE_MODEL_KEY) or []), None)
        splits = json.loads(exec_properties[EXAMPLE_SPLITS_KEY])
        if baseline is None:
            evaluate(self._make_beam_pipeline, input_dict, output_dict, config, splits)
            comparison = Comparison(unchecked=_list_changes(config))
        else:
            comparison = self._compare(baseline, config, splits, input_dict, output_dict, settings["baseline"])
        write_comparison(artifact_utils.get_single_uri(output_dict[EVALUATION_KEY]), comparison)

    def _compare(
        self,
        baseline: types.Artifact,
        config: config_pb2.EvalConfig,
        splits: Sequence[str],
        inputs: _Artifacts,
        outputs: _Artifacts,
        mode: str,
    ) -> Comparison:
        refusal = _find_missing_output(baseline, config) or _find_missing_column(baseline, inputs)
        if refusal is None:
            try:
                evaluate(self._make_beam_pipeline, inputs, outputs, config, splits)
                return Comparison(baseline.uri)
            except Exception as error:
                refusal = find_refusal(error)
                if refusal is None:
                    raise
        if mode != "skip_incompatible":
            raise EvaluationError(
                f"the baseline {baseline.uri} cannot be compared with: {refusal}; evaluate without it by "
                f"--set evaluate.baseline=skip_incompatible"
            )
        progress.info("not compared with %s: %s", baseline.uri, refusal)
        _clear(outputs[EVALUATION_KEY][0].uri)
        candidate = {name: each for name, each in inputs.items() if name != BASELINE_MODEL_KEY}
        evaluate(self._make_beam_pipeline, candidate, outputs, config, splits)
        return Comparison(baseline.uri, refusal, _list_changes(config))


def _find_missing_output(baseline: types.Artifact, config: config_pb2.EvalConfig) -> str | None:
    """Returns why the baseline's outputs cannot be compared with the candidate's."""
    found = read_outputs(path_utils.serving_model_path(baseline.uri))
    wanted = named_outputs(config) or {config.model_specs[0].prediction_key}
    if len(found) == 1:
        return None if len(wanted) == 1 else f"it has the one output {found[0]}"
    missing = sorted(wanted - set(found))
    return f"it has no output {', '.join(missing)}, only {', '.join(found)}" if missing else None


def _find_missing_column(baseline: types.Artifact, inputs: _Artifacts) -> str | None:
    """Returns which column the baseline reads that the data no longer has; without it, it would only guess."""
    if not inputs.get("schema"):
        return None
    path = io_utils.get_only_uri_in_dir(inputs["schema"][0].uri)
    known = {feature.name for feature in io_utils.parse_pbtxt_file(path, schema_pb2.Schema()).feature}
    gone = sorted(set(read_inputs(path_utils.serving_model_path(baseline.uri))) - known)
    return f"it reads the column '{gone[0]}', which the data no longer has" if gone else None


def _list_changes(config: config_pb2.EvalConfig) -> tuple[str, ...]:
    """Returns the thresholds that bound a change."""
    return tuple(
        f"{json.loads(metric.config)['name']} over {name_slicing(slicing)}"
        for spec in config.metrics_specs
        for metric in spec.metrics
        for bound in metric.per_slice_thresholds
        if bound.threshold.HasField("change_threshold")
        for slicing in bound.slicing_specs
    )


def _clear(uri: str) -> None:
    """Removes what an evaluation that stopped has written."""
    if fileio.exists(uri):
        fileio.rmtree(uri)
    fileio.makedirs(uri)
