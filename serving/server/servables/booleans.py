"""Which columns of strings are those of true and false: a CSV file has no other way to write them."""

from __future__ import annotations

import tensorflow as tf

from hilir.analysis.errors import ReferenceDamaged
from hilir.analysis.reference import CategoryReference, from_json

_REFERENCE = "assets.extra/reference.json"
_WORDS = (("false", "true"), ("False", "True"), ("FALSE", "TRUE"))


def find_booleans(path: str) -> dict[str, tuple[str, str]]:
    """Returns the strings for false and true by column, of those that had no others in the training data.

    Args:
        path: a version that hilir pushed, with the reference of its data.
    """
    try:
        with tf.io.gfile.GFile(f"{path}/{_REFERENCE}", "rb") as file:
            features = from_json(file.read()).features
    except (tf.errors.OpError, ReferenceDamaged):
        return {}
    seen = {
        name: {word for word in feature.counts if word}
        for name, feature in features.items()
        if isinstance(feature, CategoryReference)
    }
    return {name: words for name, found in seen.items() for words in _WORDS if found and found <= set(words)}
