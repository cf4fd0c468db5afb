"""What a package's `build_model(hparams, data)` learns about the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.trainer.export.raw_features import make_raw_features, type_specs
from hilir.components.trainer.export.vocabulary_sizes import find_vocabulary_sizes
from hilir.components.trainer.model_package import ModelPackage

Classes = Mapping[str, tuple[str, ...]]
"""The names of the classes by label, for the labels that are strings: class 0 first."""


@dataclass(frozen=True)
class Feature:
    """One transformed feature.

    Attributes:
        dtype: `float32`, `int64` or `string`.
        shape: of one row; None: any number of values.
        vocabulary_size: number of indices of a categorical feature, those for unknown strings included; else None.
    """

    dtype: str
    shape: tuple[int | None, ...]
    vocabulary_size: int | None


@dataclass(frozen=True)
class ModelData:
    """The data as the network sees it.

    Attributes:
        features: the transformed features by name, without labels and weight.
        classes: names of the classes, class 0 first; empty for a label that is a number. Where features.LABEL names
            several labels, those of each by its name.
        specs: the features as tensors, by name.
    """

    features: Mapping[str, Feature]
    classes: tuple[str, ...] | Classes
    specs: Mapping[str, tf.TypeSpec] = field(repr=False)

    def with_classes(self, classes: Classes) -> ModelData:
        """Returns the same features with other classes, by label."""
        several = isinstance(self.classes, Mapping)
        return replace(self, classes=dict(classes) if several else next(iter(classes.values())))


def make_model_data(transform: tft.TFTransformOutput, package: ModelPackage, classes: Classes) -> ModelData:
    """Returns what `build_model` may ask for; without the vocabulary sizes, which take time, if it asks for nothing.

    Raises:
        ModelPackageError: a feature has a shape that no signature can take.
    """
    spec, schema = transform.transformed_feature_spec(), transform.transformed_metadata.schema
    found = make_raw_features({name: spec[name] for name in spec if name not in package.no_features}, schema)
    noted = {feature.name: size for feature in schema.feature if (size := _vocabulary_size(feature)) is not None}
    sizes = (find_vocabulary_sizes(transform) if package.takes_data else {}) | noted
    features = {
        name: Feature(
            feature.dtype.name,
            tuple(feature.spec.shape) if feature.is_fixed else (None,),
            sizes.get(name),
        )
        for name, feature in found.items()
    }
    own = classes if isinstance(package.label, Mapping) else classes.get(package.label, ())
    return ModelData(features, own, type_specs(found))


def _vocabulary_size(feature: schema_pb2.Feature) -> int | None:
    domain = feature.int_domain
    return int(domain.max) + 1 if domain.is_categorical and domain.max >= 0 else None
