"""Evaluates models on examples with TFMA and writes what TFX's Evaluator writes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from tensorflow_model_analysis.api import model_eval_lib
from tensorflow_model_analysis.api import types as tfma
from tensorflow_model_analysis.constants import ARROW_INPUT_COLUMN
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib as slicer
from tensorflow_model_analysis.utils import config_util
from tfx import types
from tfx.components.evaluator import constants
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import (
    BASELINE_MODEL_KEY,
    BLESSING_KEY,
    EVALUATION_KEY,
    EXAMPLES_KEY,
    MODEL_KEY,
    SCHEMA_KEY,
)
from tfx.utils import io_utils, path_utils

from hilir.components.batches import ReadBatches, represent
from hilir.components.evaluator.extraction import list_extractors
from hilir.components.evaluator.grouped.batched_metrics import make_plan
from hilir.components.evaluator.grouped.evaluator import find_obstacle, make_evaluator
from hilir.components.evaluator.grouped.slices import list_columns

_log = logging.getLogger(__name__)

_Artifacts = dict[str, list[types.Artifact]]


def evaluate(
    make_pipeline: Callable[[], Any],
    inputs: _Artifacts,
    outputs: _Artifacts,
    config: config_pb2.EvalConfig,
    splits: Sequence[str],
) -> None:
    """Evaluates the candidate, against the baseline if there is one, and writes metrics, plots and blessing.

    Args:
        make_pipeline: returns a Beam pipeline.
        inputs: examples, schema, the model, and a baseline or none.
        outputs: the folders of evaluation and blessing.
        config: as `outputs.choose_outputs` returns it.
        splits: of the examples, that are evaluated together.
    """
    baseline = next(iter(inputs.get(BASELINE_MODEL_KEY) or []), None)
    config = config_util.update_eval_config_with_defaults(config, has_baseline=baseline is not None, rubber_stamp=True)
    config_util.verify_eval_config(config)
    models = [
        _share(spec, baseline if spec.is_baseline else inputs[MODEL_KEY][0], config) for spec in config.model_specs
    ]
    obstacle = find_obstacle(config, models)
    if obstacle is not None:
        _log.warning("the evaluation goes row by row, because of %s", obstacle)
    uri = artifact_utils.get_single_uri(outputs[EVALUATION_KEY])
    schema = io_utils.SchemaReader().read(
        io_utils.get_only_uri_in_dir(artifact_utils.get_single_uri(inputs[SCHEMA_KEY]))
    )
    schema, representations = represent(schema, _columns(config, by_row=obstacle is not None))
    extractors = list_extractors(models, config, representations, batched=obstacle is None)
    evaluators = [make_evaluator(config, extractors[-1].stage_name)] if obstacle is None else None
    with make_pipeline() as pipeline:
        _ = (
            pipeline
            | "ReadExamples" >> ReadBatches(_patterns(inputs, splits), schema, ARROW_INPUT_COLUMN)
            | "ExtractEvaluateAndWriteResults"
            >> model_eval_lib.ExtractEvaluateAndWriteResults(
                eval_shared_model=models[0] if len(models) == 1 else models,
                eval_config=config,
                extractors=extractors,
                evaluators=evaluators,
                output_path=uri,
            )
        )
    _bless(uri, inputs, outputs[BLESSING_KEY][0])


def _share(spec: config_pb2.ModelSpec, artifact: Any, config: config_pb2.EvalConfig) -> tfma.EvalSharedModel:
    return model_eval_lib.default_eval_shared_model(
        eval_saved_model_path=path_utils.serving_model_path(artifact.uri), model_name=spec.name, eval_config=config
    )


def _columns(config: config_pb2.EvalConfig, *, by_row: bool) -> set[str] | None:
    """Returns the raw columns that slices and weights read; None, which is all, where a metric may read others."""
    computations = metric_specs.to_computations(list(config.metrics_specs), eval_config=config)
    if by_row or make_plan([each for each in computations if type(each) is metric_types.MetricComputation]).by_row:
        return None
    weights = {
        key
        for spec in config.model_specs
        for key in (spec.example_weight_key, *spec.example_weight_keys.values())
        if key
    }
    return weights | list_columns(slicer.SingleSliceSpec(spec=spec) for spec in config.slicing_specs)


def _patterns(inputs: _Artifacts, splits: Sequence[str]) -> Sequence[str]:
    uris = [uri for split in splits for uri in artifact_utils.get_split_uris(inputs[EXAMPLES_KEY], split)]
    return [io_utils.all_files_pattern(uri) for uri in uris]


def _bless(uri: str, inputs: _Artifacts, blessing: types.Artifact) -> None:
    """Writes the verdict, as the file and the properties that TFX's Pusher and resolvers look at."""
    candidate, baseline = inputs[MODEL_KEY][0], next(iter(inputs.get(BASELINE_MODEL_KEY) or []), None)
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, candidate.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, candidate.id)
    if baseline is not None:
        blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id)
    blessed = model_eval_lib.load_validation_result(uri).validation_ok
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(os.path.join(blessing.uri, name), "")
    value = constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
