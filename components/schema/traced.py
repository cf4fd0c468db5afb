"""What preprocessing_fn makes of the columns of a schema, by tracing it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils

from hilir.components.trainer.export.raw_features import RawFeature, make_raw_features, type_specs
from hilir.components.transform.empty_cells import Outputs, trace
from hilir.components.transform.unread import MANY, add_unread, find_read, list_unread


class Traced:
    """The function with the columns as they are, and with some of them sparse.

    Attributes:
        raw: the columns.
        outputs: what the function returns; None where it does not take them.
    """

    def __init__(self, schema: schema_pb2.Schema, preprocessing_fn: Callable[[Any], Any]) -> None:
        """`preprocessing_fn` takes the raw features by name."""
        self.raw = read_raw_features(schema)
        self._specs = type_specs(self.raw)
        self._own = preprocessing_fn
        self.outputs = trace(preprocessing_fn, self._specs)

    @cached_property
    def read(self) -> frozenset[str]:
        """The columns on which an output depends, of a function that takes them."""
        return find_read(self._own, self._specs)

    def with_sparse(self, names: Collection[str]) -> Outputs | None:
        """Returns the outputs for these columns as sparse tensors; None where the function does not take them."""
        sparse = {name: tf.SparseTensorSpec([None, None], self.raw[name].dtype) for name in names}
        given = {**self._specs, **sparse}
        if len(given) <= MANY:
            return trace(self._own, given)
        # A trace takes as long as there are columns.
        unread = list_unread(given, self.read)
        narrow = {name: given[name] for name in self.read}
        return trace(lambda inputs: self._own(add_unread(inputs, unread)), narrow)


def read_raw_features(schema: schema_pb2.Schema) -> dict[str, RawFeature]:
    """Returns the features that a schema describes."""
    return make_raw_features(schema_utils.schema_as_feature_spec(schema).feature_spec, schema)
