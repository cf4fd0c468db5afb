"""Says which columns preprocessing_fn fails on as they have empty cells, and get to it as sparse tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import tensorflow as tf
from tensorflow_transform import impl_helper

Outputs = dict[str, tuple[str, Any, str]]
"""Kind, type and shape of each output by name."""

_MOST = 30
"""Of more columns it is not asked for each whether it is one of them."""


def find_needed(
    preprocessing_fn: Callable[[Any], Mapping[str, Any]],
    specs: Mapping[str, tf.TypeSpec],
    single: Collection[str],
) -> list[str]:
    """Returns the sparse columns of one value a row that the function takes as dense ones alone.

    There are none where it fails on dense ones too: something else is wrong.

    Args:
        preprocessing_fn: fails on what `specs` describe.
        specs: of the columns.
        single: those that have one value a row at most.
    """
    sparse = [name for name, spec in specs.items() if isinstance(spec, tf.SparseTensorSpec) and name in single]
    dense = {**specs, **{name: tf.TensorSpec([None, 1], specs[name].dtype) for name in sparse}}
    if not sparse or trace(preprocessing_fn, dense) is None:
        return []
    if len(sparse) > _MOST:
        return sparse
    return [name for name in sparse if trace(preprocessing_fn, {**dense, name: specs[name]}) is None]


def explain_needed(package: str, names: Collection[str]) -> str:
    """Returns the text for the user."""
    listed = ", ".join(f"'{name}'" for name in names)
    are = "column" if len(names) == 1 else "columns"
    return (
        f"{package}.preprocessing needs a value in each row of the {are} {listed}, and there are empty cells: such a "
        f"column is a tf.SparseTensor; give the cells a value (tf.sparse.to_dense), or compute with what there is "
        f"(tf.sparse.map_values); rows without a label are left out where the label stays sparse"
    )


def trace(preprocessing_fn: Callable[[Any], Any], specs: Mapping[str, tf.TypeSpec]) -> Outputs | None:
    """Returns kind, type and shape of each output; None where the function does not take such inputs."""
    try:
        _, _, outputs = impl_helper.trace_preprocessing_function(preprocessing_fn, dict(specs), use_tf_compat_v1=False)
    except Exception:  # noqa: BLE001 - the user's own code; Transform shows what is an error for the data as they are
        return None
    return {name: (type(value).__name__, value.dtype, str(value.shape)) for name, value in outputs.items()}
