"""Versions of the parcels' model in milliseconds, where no pipeline is to run; the third has an error.

`python -m tests.loop.small_versions FOLDER` is a `watch.program`: it pushes version 2, which was made before.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

from tests.integration.release.versions import write_manifest
from tests.loop.shop import AGES, FAULTY_AGE, LABEL, MODEL, SIZE, SPREAD, draw_parcel

OUTPUT = "probability"


def make_version(root: Path, number: int, shift: float) -> Path:
    """Makes a version that has learned from a sensor which shows `shift` too much; it is not yet in its place."""
    import tensorflow as tf

    beside = root / f".making-{number}"
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "size"), tf.TensorSpec([None], tf.int64, "age")])
    def serve(size, age):
        heavy = tf.sigmoid((size - SIZE - SPREAD * shift) / 2 + 0 * tf.cast(age, tf.float32))
        return {OUTPUT: heavy[:, None]}

    tf.saved_model.save(module, str(beside), signatures={"serving_default": serve})
    (beside / "assets.extra").mkdir()
    _write_reference(beside, shift)
    golden = {
        "signature": "serving_default",
        "inputs": {"size": [SIZE + SPREAD * shift], "age": [AGES[0]]},
        "outputs": {OUTPUT: [[0.5]]},
    }
    (beside / "assets.extra" / "golden.jsonl").write_text(json.dumps(golden) + "\n")
    inputs = {"size": {"dtype": "float32", "shape": [-1]}, "age": {"dtype": "int64", "shape": [-1]}}
    outputs = {OUTPUT: {"dtype": "float32", "shape": [-1, 1]}}
    write_manifest(beside, MODEL, number, signatures={"serving_default": {"inputs": inputs, "outputs": outputs}})
    return beside


def push_version(root: Path, number: int) -> Path:
    """Gives a version that was made its place."""
    folder = root / MODEL / str(number)
    folder.parent.mkdir(parents=True, exist_ok=True)
    (root / f".making-{number}").rename(folder)
    return folder


def make_faulty_version(root: Path) -> None:
    """Makes version 3 of version 2: all of its signatures, but with an error for one age of ten; it has no manifest."""
    import tensorflow as tf

    module = tf.Module()
    module.inner = tf.saved_model.load(str(root / MODEL / "2"))
    signatures = {name: _wrap(call) for name, call in module.inner.signatures.items()}
    tf.saved_model.save(module, str(root / ".making-3"), signatures=signatures)


def _wrap(call):
    import tensorflow as tf

    specs = call.structured_input_signature[1]
    # Other signatures have none, or a scaled one.
    has_age = "age" in specs and specs["age"].dtype == tf.int64

    def answer(*values):
        inputs = dict(zip(specs, values, strict=True))
        checks = [tf.debugging.assert_none_equal(inputs["age"], tf.constant(FAULTY_AGE, tf.int64))] if has_age else []
        with tf.control_dependencies(checks):
            return {name: tf.identity(value) for name, value in call(**inputs).items()}

    named = [tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in specs.items()]
    return tf.function(answer, input_signature=named)


def _write_reference(folder: Path, shift: float) -> None:
    import numpy as np

    from hilir.analysis.quality import fit_quality
    from hilir.analysis.reference import Reference, summarize_numbers, to_json

    dice = random.Random(1)
    parcels = [draw_parcel(dice, shift) for _ in range(5000)]
    size, age = (np.array([getattr(each, name) for each in parcels], np.float64) for name in ("size", "age"))
    scores = 1 / (1 + np.exp(-(size - SIZE - SPREAD * shift) / 2))
    labels = np.array([each.heavy for each in parcels], np.float64)
    features = {"size": summarize_numbers(size), "age": summarize_numbers(age), LABEL: summarize_numbers(labels)}
    quality = fit_quality(OUTPUT, LABEL, scores, labels)
    reference = Reference(features, {OUTPUT: summarize_numbers(scores)}, quality)
    (folder / "assets.extra" / "reference.json").write_text(to_json(reference))


if __name__ == "__main__":
    push_version(Path(sys.argv[1]), 2)
    print(json.dumps({"status": "succeeded", "version": 2, "program": os.path.basename(sys.argv[0])}))
