"""The outputs of an exported model, and which of them the metrics read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_model_analysis.proto import config_pb2
from tfx.dsl.io import fileio

from hilir.components.errors import EvaluationError
from hilir.components.evaluator.metric_classes import COUNTS

_SIGNATURE, _SERVED = "examples", "serving_default"


def read_outputs(saved_model: str) -> list[str]:
    """Returns the names of the outputs of the signature `examples`, sorted.

    Raises:
        EvaluationError: the model has no such signature.
    """
    for graph in _read(saved_model).meta_graphs:
        if _SIGNATURE in graph.signature_def:
            return sorted(graph.signature_def[_SIGNATURE].outputs)
    raise EvaluationError(
        f"{saved_model}: the model has no signature '{_SIGNATURE}', by which it is evaluated; "
        f"models that hilir's trainer exports have it, train it anew"
    )


def read_inputs(saved_model: str) -> list[str]:
    """Returns the raw columns that the model reads, sorted; none where another program made it."""
    for graph in _read(saved_model).meta_graphs:
        if _SIGNATURE in graph.signature_def and _SERVED in graph.signature_def:
            return sorted(graph.signature_def[_SERVED].inputs)
    return []


def _read(saved_model: str) -> saved_model_pb2.SavedModel:
    with fileio.open(os.path.join(saved_model, "saved_model.pb"), "rb") as file:
        return saved_model_pb2.SavedModel.FromString(file.read())


def choose_outputs(config: config_pb2.EvalConfig, outputs: Sequence[str]) -> config_pb2.EvalConfig:
    """Returns the configuration with the outputs that its metrics read as TFMA wants them for this model.

    TFMA knows the output of a model with one by no name; `prediction_key` is where a baseline with several has it.

    Args:
        config: as `make_eval_config` returns it.
        outputs: the model's outputs.

    Raises:
        EvaluationError: a metric names an output that the model does not have, or none where it has several.
    """
    chosen = config_pb2.EvalConfig()
    chosen.CopyFrom(config)
    known = ", ".join(outputs)
    if len(outputs) == 1:
        chosen.model_specs[0].prediction_key = outputs[0]
    for spec in chosen.metrics_specs:
        for name in spec.output_names:
            if name not in outputs:
                raise EvaluationError(
                    f"evaluate.output: '{name}' is not an output of the model; its outputs are {known}"
                )
        if len(outputs) == 1:
            del spec.output_names[:]
        elif not spec.output_names:
            unclear = [metric for metric in spec.metrics if metric.module or metric.class_name not in COUNTS]
            if unclear:
                name = json.loads(unclear[0].config)["name"]
                raise EvaluationError(
                    f"evaluate.output: the model has the outputs {known}, and the metric '{name}' does not say which "
                    f"it reads; give the metric an 'output', or set evaluate.output for all metrics"
                )
    return chosen


def named_outputs(config: config_pb2.EvalConfig) -> set[str]:
    """Returns the outputs that the metrics read by name; empty for a model with one output."""
    return {name for spec in config.metrics_specs for name in spec.output_names}
