"""Two columns of many."""

import tensorflow_transform as tft

from benchmarks.pipeline.wide.features import LABEL, READ


def preprocessing_fn(inputs):
    return {name: tft.scale_to_z_score(inputs[name]) for name in READ} | {LABEL: inputs[LABEL]}
