"""Metrics of rows in memory, by slice: TFMA's own way row by row, and ours over batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.evaluators import metrics_plots_and_validations_evaluator as stock
from tensorflow_model_analysis.extractors import slice_key_extractor
from tensorflow_model_analysis.metrics import metric_specs
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib as slicer
from tensorflow_model_analysis.utils import util

from hilir.components.evaluator.grouped.accumulate import Accumulate, MergeParts
from hilir.components.evaluator.grouped.batched_metrics import make_plan

Extracts = dict[str, Any]
Values = dict[Any, dict[Any, Any]]


def separate(config: config_pb2.EvalConfig) -> Any:
    return stock._filter_and_separate_computations(
        metric_specs.to_computations(list(config.metrics_specs), eval_config=config)
    )


def compute_by_row(config: config_pb2.EvalConfig, batches: Sequence[Extracts]) -> Values:
    """Returns the values of each slice as TFMA computes them, a bundle for each batch."""
    separated, specs = separate(config), _specs(config)
    prepare = stock._PreprocessorDoFn(separated.non_derived_computations)
    combine = stock._ComputationsCombineFn(separated.non_derived_computations)
    key_rows = slice_key_extractor.ExtractSliceKeysFn(config, materialize=False)
    combine.setup()
    bundles: dict[Any, list[Any]] = defaultdict(list)
    for batch in batches:
        accumulators: dict[Any, Any] = {}
        for row in util.split_extracts(batch):
            (keyed,) = key_rows.process(row, specs)
            (inputs,) = prepare.process(keyed)
            for key in set(keyed[constants.SLICE_KEY_TYPES_KEY]):
                before = accumulators.get(key)
                accumulators[key] = combine.add_input(
                    combine.create_accumulator() if before is None else before, inputs
                )
        for key, accumulator in accumulators.items():
            bundles[key].append(combine.compact(accumulator))
    return {
        key: _derive(separated, combine.extract_output(combine.merge_accumulators(parts)))
        for key, parts in bundles.items()
    }


def compute_by_batch(config: config_pb2.EvalConfig, batches: Sequence[Extracts]) -> Values:
    """Returns the values of each slice as ours computes them, a bundle for each batch."""
    separated = separate(config)
    plan = make_plan(separated.non_derived_computations)
    merge = MergeParts(plan)
    merge.setup()
    found: dict[Any, Any] = defaultdict(merge.create_accumulator)
    for batch in batches:
        accumulate = Accumulate(plan, _specs(config), config)
        accumulate.setup()
        accumulate.start_bundle()
        given = [*accumulate.process(batch), *(element.value for element in accumulate.finish_bundle())]
        for key, parts in given:
            found[key] = merge.add_input(found[key], parts)
    return {key: _derive(separated, merge.extract_output(merge.compact(each))) for key, each in found.items()}


def _specs(config: config_pb2.EvalConfig) -> list[slicer.SingleSliceSpec]:
    return [slicer.SingleSliceSpec(spec=spec) for spec in config.slicing_specs]


def _derive(separated: Any, values: dict[Any, Any]) -> dict[Any, Any]:
    for computation in separated.derived_computations:
        values = values | computation.result(values)
    return {key: value for key, value in values.items() if not stock._is_private_metrics(key)}


def assert_equal(found: Any, expected: Any, place: str = "") -> None:
    """Fails unless the values are equal within 1e-6, however deep they are."""
    if isinstance(expected, Message):
        found, expected = json_format.MessageToDict(found), json_format.MessageToDict(expected)
    if isinstance(expected, dict):
        assert set(found) == set(expected), place
        for key in expected:
            assert_equal(found[key], expected[key], f"{place}/{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), place
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_equal(one, other, f"{place}/{number}")
    elif isinstance(expected, str):
        assert found == expected, place
    elif hasattr(expected, "__dict__"):
        assert_equal(vars(found), vars(expected), place)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6, err_msg=place)
