"""From serialized transformed examples to what Keras takes: features, labels, weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import tensorflow as tf
import tf_keras as keras

from hilir.components.trainer.data.dataset import Keep, Parse
from hilir.components.trainer.export.class_names import ClassIndex
from hilir.components.trainer.export.raw_features import dense_column
from hilir.components.trainer.export.row_values import is_present
from hilir.components.trainer.model_package import ModelPackage
from hilir.components.trainer.network import arrange_labels, select_inputs


@dataclass(frozen=True)
class Parsing:
    """How the rows are read: for training, for evaluation, and which of them (None: all) are taken at all."""

    train: Parse
    evaluation: Parse
    keep: Keep | None = None


def make_parsing(
    spec: Mapping[str, Any],
    package: ModelPackage,
    classes: Mapping[str, tuple[str, ...]],
    class_weights: Mapping[str, float] | None,
    *,
    drop: bool,
) -> Callable[[keras.Model], Parsing]:
    """Returns the function that gives a network its rows.

    Args:
        spec: the transformed features, as `tf.io.parse_example` takes them.
        package: which of them are labels and weight.
        classes: of the labels that are strings.
        class_weights: weight in the training loss by class.
        drop: whether there are rows without a label, which are left out.
    """
    index = {label: ClassIndex(names) for label, names in classes.items()}

    def labels_of(parsed: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        found = {name: dense_column(parsed[name]) for name in package.labels}
        return {name: index[name](value) if name in index else value for name, value in found.items()}

    def bind(model: keras.Model) -> Parsing:
        @tf.autograph.experimental.do_not_convert
        def parse(serialized: tf.Tensor, weights: tf.lookup.StaticHashTable | None) -> tuple[Any, ...]:
            parsed = tf.io.parse_example(serialized, dict(spec))
            labels = labels_of(parsed)
            features = {name: parsed[name] for name in parsed if name not in package.no_features}
            weight = None
            if package.weight is not None:
                weight = tf.reshape(tf.cast(dense_column(parsed[package.weight]), tf.float32), [-1])
            if weights is not None:
                (label,) = package.labels
                of_class = weights.lookup(tf.as_string(tf.reshape(labels[label], [-1])))
                weight = of_class if weight is None else weight * of_class
            if isinstance(package.label, Mapping):
                target = arrange_labels(model, {output: labels[label] for output, label in package.label.items()})
            else:
                target = labels[package.label]
            pair = (select_inputs(model, features), target)
            return pair if weight is None else (*pair, weight)

        table = _weight_table(package, classes, class_weights)
        return Parsing(
            partial(parse, weights=table), partial(parse, weights=None), make_keep(spec, package) if drop else None
        )

    return bind


def make_keep(spec: Mapping[str, Any], package: ModelPackage) -> Keep:
    """Returns the function that says which rows have all their labels; `spec` as for `make_parsing`."""
    labels = {name: spec[name] for name in package.labels}

    def keep(serialized: tf.Tensor) -> tf.Tensor:
        parsed = tf.io.parse_example(serialized, dict(labels))
        kept = [tf.reduce_all(is_present(_rows(dense_column(value))), axis=1) for value in parsed.values()]
        return tf.reduce_all(tf.stack(kept), axis=0)

    plain: Keep = tf.autograph.experimental.do_not_convert(keep)
    return plain


def _weight_table(
    package: ModelPackage, classes: Mapping[str, tuple[str, ...]], weights: Mapping[str, float] | None
) -> tf.lookup.StaticHashTable | None:
    """Returns the weights by the number of the class."""
    if weights is None:
        return None
    names = classes.get(package.labels[0])
    keys = [str(names.index(name)) for name in weights] if names else list(weights)
    initializer = tf.lookup.KeyValueTensorInitializer(keys, list(weights.values()), tf.string, tf.float32)
    return tf.lookup.StaticHashTable(initializer, 1.0)


def _rows(values: tf.Tensor) -> tf.Tensor:
    return tf.reshape(values, [tf.shape(values)[0], -1])
