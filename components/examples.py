"""Rows of serialized tf.Examples as columns, and the references of those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tfx_bsl.coders import example_coder

from hilir.analysis.reference import (
    FeatureReference,
    name_category,
    summarize_categories,
    summarize_numbers,
)

TRAINING_ROWS = 100_000
"""Rows are enough from which on more of them change no decile that matters."""


def read_records(patterns: Sequence[str], most: int) -> Iterator[bytes]:
    """Yields records of all files in turn, so that a part of them is not the first file only."""
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    readers = [iter(tf.compat.v1.io.tf_record_iterator(path, options)) for path in files]
    count = 0
    while readers and count < most:
        for reader in list(readers):
            record = next(reader, None)
            if record is None:
                readers.remove(reader)
            elif count < most:
                count += 1
                yield record


def name_split(path: str, otherwise: str) -> str:
    """Returns the split that a folder of TFX's examples, or a pattern of files in it, belongs to: `…/Split-eval/*`.

    `otherwise`: what it is called where the path is no such folder.
    """
    names = [part.removeprefix("Split-") for part in path.split("/") if part.startswith("Split-")]
    return names[-1] if names else otherwise


def read_columns(records: Iterator[bytes]) -> dict[str, pa.Array]:
    """Returns the columns of serialized examples, lists of values; one without any value is left out."""
    serialized = list(records)
    if not serialized:
        return {}
    batch = example_coder.ExamplesToRecordBatchDecoder().DecodeBatch(serialized)
    return {
        name: column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if not pa.types.is_null(column.type)
    }


def is_category(column: pa.Array) -> bool:
    """Says whether the values are bytes, not numbers."""
    kind = column.type.value_type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def present_values(column: pa.Array) -> tuple[list[str] | np.ndarray, int]:
    """Returns names or numbers of the values that are not missing, and the number of rows without any."""
    values = column.flatten()
    if is_category(column):
        # An empty string is a missing value, as `serving_default` has it.
        present = pc.greater(pc.binary_length(values), 0)
        names = [name_category(value) for value in values.filter(present).to_pylist()]
        return names, len(column) - _rows_with(column, present)
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    present = pa.array(~np.isnan(numbers))
    return numbers[~np.isnan(numbers)], len(column) - _rows_with(column, present)


def summarize_column(column: pa.Array) -> FeatureReference:
    """Returns the reference of a column of lists: numbers (NaN is missing) or bytes."""
    values, missing = present_values(column)
    if isinstance(values, np.ndarray):
        return summarize_numbers(values, len(column), missing)
    return summarize_categories(values, len(column), missing)


def _rows_with(column: pa.Array, present: pa.Array) -> int:
    """Returns how many rows have at least one of the values that are present."""
    return len(pc.unique(pc.list_parent_indices(column).filter(present)))
