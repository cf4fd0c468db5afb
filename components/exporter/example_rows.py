"""The examples that an export is verified on: raw rows of the evaluation split, in one fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf

from hilir.components.exporter.errors import ExportError
from hilir.components.trainer.export.row_values import make_array, read_values


@dataclass(frozen=True)
class Rows:
    """Serialized raw examples."""

    serialized: tuple[bytes, ...]

    @cached_property
    def _examples(self) -> list[tf.train.Example]:
        return [tf.train.Example.FromString(record) for record in self.serialized]

    def tensor(self) -> tf.Tensor:
        """Returns the serialized examples, [rows]."""
        return tf.constant(list(self.serialized), tf.string)

    def columns(self, specs: Mapping[str, tf.TensorSpec]) -> dict[str, list[Any]]:
        """Returns the features by name as plain values, one per row; None where a row has none."""
        return {name: [_value(row, name, spec) for row in self._examples] for name, spec in specs.items()}

    def arrays(
        self, specs: Mapping[str, tf.TensorSpec], typical: Mapping[str, Any] | None = None
    ) -> dict[str, np.ndarray]:
        """Returns the features by name as arrays [rows, …], missing values marked as `serving_default` wants them.

        `typical`: what stands for the missing values of some features instead.
        """
        other = typical or {}
        found = {}
        for name, spec in specs.items():
            values = [read_values(row, name, spec.dtype.name) for row in self._examples]
            if name in other:
                values = [each or [other[name]] for each in values]
            found[name] = make_array(values, spec.dtype.name, spec.shape[1:])
        return found


def read_rows(patterns: Sequence[str], count: int) -> Rows:
    """Returns the first `count` examples of gzipped TFRecord files.

    Raises:
        ExportError: there is no example.
    """
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    records = tuple(islice(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator(), count)) if files else ()
    if not records:
        raise ExportError(
            f"{', '.join(patterns)}: holds no examples to verify an export on; "
            f"give the folder of the raw evaluation split"
        )
    return Rows(records)


def _value(row: tf.train.Example, name: str, spec: tf.TensorSpec) -> Any:
    values = read_values(row, name, spec.dtype.name)
    if spec.dtype == tf.string:
        values = [value.decode("utf-8", "surrogateescape") for value in values]
    if spec.shape.rank == 1:
        return values[0] if values else None
    return values
