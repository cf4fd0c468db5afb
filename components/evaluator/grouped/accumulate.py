"""Beam's end of the computations over batches: batches in, accumulators by slice out, and what merges those."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.evaluators import metrics_plots_and_validations_evaluator as stock
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib as slicer
from tensorflow_model_analysis.utils import util

from hilir.components.evaluator.grouped.batched_metrics import Plan
from hilir.components.evaluator.grouped.columns import Batch
from hilir.components.evaluator.grouped.labelled import find_labelled, take_rows
from hilir.components.evaluator.grouped.slices import SliceKey, find_slices

# As many accumulators of a slice are merged at once, and so many slices are kept.
_MERGE_AFTER = 16
_MOST_SLICES = 256

Parts = tuple[Any, ...]
"""An accumulator of each grouped computation, then that of all computations by row."""


class Accumulate(beam.DoFn):
    """Adds up batches of extracts by slice."""

    def __init__(self, plan: Plan, specs: Sequence[slicer.SingleSliceSpec], config: config_pb2.EvalConfig) -> None:
        self._plan, self._specs, self._config = plan, specs, config
        self._merge = MergeParts(plan)
        self._by_row = _ByRow(plan) if plan.by_row else None
        self._kept: dict[SliceKey, list[Parts]] = {}

    def setup(self) -> None:
        """Prepares what TFMA computes by row."""
        if self._by_row:
            self._by_row.setup()

    def start_bundle(self) -> None:
        """Starts with nothing."""
        self._kept = defaultdict(list)

    def process(self, extracts: dict[str, Any]) -> Iterator[tuple[SliceKey, Parts]]:
        """Adds a batch; yields what was added up so far where there are too many slices to keep."""
        rows = util.batch_size(extracts)
        slices = find_slices(self._specs, extracts[constants.FEATURES_KEY], rows)
        labelled = find_labelled(extracts[constants.LABELS_KEY], rows)
        if not labelled.all():
            slices = {key: kept for key, found in slices.items() if len(kept := found[labelled[found]])}
        batch = Batch(take_rows(extracts, np.flatnonzero(labelled)), self._config, int(labelled.sum()))
        # Rows without a label have no number among the others.
        members = [np.cumsum(labelled)[found] - 1 for found in slices.values()]
        found = [combiner.summarize(batch, members) for combiner in self._plan.grouped]
        if self._by_row:
            found.append(self._by_row.summarize(extracts, list(slices.values())))
        for key, *parts in zip(slices, *found, strict=True):
            kept = self._kept[key]
            kept.append(tuple(parts))
            if len(kept) >= _MERGE_AFTER:
                self._kept[key] = [self._merge.merge_accumulators(kept)]
        if len(self._kept) > _MOST_SLICES:
            yield from self._give()

    def finish_bundle(self) -> Iterator[Any]:
        """Yields what was added up."""
        for element in self._give():
            yield WindowedValue(element, GlobalWindow().max_timestamp(), [GlobalWindow()])

    def _give(self) -> Iterator[tuple[SliceKey, Parts]]:
        for key, kept in self._kept.items():
            yield key, self._merge.merge_accumulators(kept)
        self._kept = defaultdict(list)


class MergeParts(beam.CombineFn):
    """Merges accumulators of a slice and returns TFMA's metrics of it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._by_row = stock._ComputationsCombineFn(list(plan.by_row)) if plan.by_row else None

    def setup(self, *arguments: Any, **keywords: Any) -> None:
        """Prepares TFMA's combiners."""
        if self._by_row:
            self._by_row.setup(*arguments, **keywords)

    def create_accumulator(self) -> list[Parts]:
        """Returns the accumulator of no rows."""
        return []

    def add_input(self, accumulator: list[Parts], element: Parts) -> list[Parts]:
        """Adds accumulators to be merged."""
        accumulator.append(element)
        return accumulator if len(accumulator) < _MERGE_AFTER else [self._merge_parts(accumulator)]

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        """Merges lists of parts into one; parts themselves, as `Accumulate` keeps them, into parts."""
        found = list(accumulators)
        if found and isinstance(found[0], tuple):
            return self._merge_parts(found)
        parts = [part for each in found for part in each]
        return [self._merge_parts(parts)] if parts else []

    def extract_output(self, accumulator: list[Parts]) -> dict[Any, Any]:
        """Returns the values by TFMA's keys."""
        parts = self._merge_parts(accumulator)
        values: dict[Any, Any] = {}
        for combiner, part in zip(self._plan.grouped, parts, strict=False):
            values |= combiner.extract(part)
        return values | self._by_row.extract_output(parts[-1]) if self._by_row else values

    def _merge_parts(self, found: Sequence[Parts]) -> Parts:
        if len(found) == 1:
            return found[0]
        columns = list(zip(*found, strict=True))
        merged = [combiner.merge(each) for combiner, each in zip(self._plan.grouped, columns, strict=False)]
        if self._by_row:
            merged.append(self._by_row.merge_accumulators(columns[-1]))
        return tuple(merged)


class _ByRow:
    """TFMA's own path for computations that are not known here."""

    def __init__(self, plan: Plan) -> None:
        self._prepare = stock._PreprocessorDoFn(list(plan.by_row))
        self._combine = stock._ComputationsCombineFn(list(plan.by_row))

    def setup(self) -> None:
        self._prepare.setup()
        self._combine.setup()

    def summarize(self, extracts: dict[str, Any], slices: Sequence[np.ndarray]) -> list[Any]:
        """Returns an accumulator for each slice."""
        batched = {name: value for name, value in extracts.items() if name != constants.ARROW_RECORD_BATCH_KEY}
        inputs = [self._inputs(row) for row in util.split_extracts(batched)]
        found = []
        for rows in slices:
            accumulator = self._combine.create_accumulator()
            for row in rows.tolist():
                accumulator = self._combine.add_input(accumulator, inputs[row])
            found.append(self._combine.compact(accumulator))
        return found

    def _inputs(self, row: dict[str, Any]) -> dict[str, Any]:
        prepared = copy.copy(row) | {constants.SLICE_KEY_TYPES_KEY: None}
        (found,) = self._prepare.process(prepared)
        inputs: dict[str, Any] = found
        return inputs
