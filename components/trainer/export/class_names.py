"""The names of a label's classes: their numbers, and where they stand in a SavedModel."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.missing import MISSING_INT
from hilir.components.trainer.export.extra_files import read_extra, write_extra

FILE = "assets.extra/classes.json"
"""In the SavedModel's folder: the names by label, class 0 first."""


class ClassIndex(tf.Module):
    """From the names of classes to their numbers; what is not a class is MISSING_INT."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        initializer = tf.lookup.KeyValueTensorInitializer(list(names), list(range(len(names))), tf.string, tf.int64)
        self._table = tf.lookup.StaticHashTable(initializer, MISSING_INT)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the numbers, int64 with the shape of the values."""
        return self._table.lookup(values)


def read_domain(schema: schema_pb2.Schema, name: str) -> tuple[str, ...]:
    """Returns the strings that the schema allows for a feature, empty where it does not say."""
    shared = {domain.name: domain for domain in schema.string_domain}
    for feature in schema.feature:
        if feature.name == name:
            domain = shared.get(feature.domain) if feature.HasField("domain") else feature.string_domain
            return tuple(domain.value) if domain is not None else ()
    return ()


def write_classes(folder: str, classes: Mapping[str, tuple[str, ...]]) -> None:
    """Writes the names of the classes by label into a SavedModel's folder; nothing where no label has any."""
    write_extra(folder, FILE, classes)


def read_classes(folder: str) -> dict[str, list[str]]:
    """Returns the names of the classes by label of a SavedModel."""
    return read_extra(folder, FILE)


def find_only_classes(folder: str) -> tuple[str, ...]:
    """Returns the names of the classes of a SavedModel whose one label has any."""
    found = list(read_classes(folder).values())
    return tuple(found[0]) if len(found) == 1 else ()


def name_scores(outputs: Mapping[str, tf.Tensor], classes: Mapping[str, tuple[str, ...]]) -> dict[str, tf.Tensor]:
    """Returns the class of each score, strings [rows, scores], by the name of a further output.

    A single score of a label with two classes is that of the second one.

    Args:
        outputs: the network's answers by name, [rows, scores].
        classes: names of the classes by output.
    """
    named = {}
    for output, names in classes.items():
        scores = outputs.get(output)
        if scores is None or scores.shape.rank != 2:
            continue
        shown = names[1:] if scores.shape[1] == 1 and len(names) == 2 else names
        if scores.shape[1] == len(shown):
            named[output] = tf.tile(tf.constant([list(shown)]), [tf.shape(scores)[0], 1])
    single = len(named) == 1 and "classes" not in outputs
    return {"classes" if single else f"{output}_classes": value for output, value in named.items()}
