"""A whole evaluation of models written by hand: TFX's artifacts, TFMA and Beam are real."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import json_format
from tfx.types import standard_artifacts

from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.executor import Executor
from hilir.components.evaluator.settings import EvaluateSettings

LABEL = "label"

SCHEMA = """
feature { name: "x" type: FLOAT value_count { min: 1 max: 1 } presence { min_fraction: 0 } }
feature { name: "w" type: FLOAT value_count { min: 1 max: 1 } presence { min_fraction: 0 } }
feature { name: "kind" type: BYTES value_count { min: 1 max: 1 } presence { min_fraction: 0 } }
feature { name: "label" type: INT value_count { min: 1 max: 1 } presence { min_fraction: 0 } }
"""


@dataclass(frozen=True)
class Evaluation:
    """What came of it: the folder of the evaluation and whether the model was blessed."""

    uri: str
    blessed: bool


def make_model(
    folder: Path,
    predict: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]],
    parse: dict[str, Any] | None = None,
    label: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]] | None = None,
) -> Path:
    """Writes a model with the signatures `examples` and `label`.

    `parse` is what the model reads of a row; `x` by default, [rows, 1].
    """
    spec = parse or {"x": tf.io.FixedLenFeature([1], tf.float32, [0.0])}
    label_spec = {LABEL: tf.io.FixedLenFeature([1], tf.int64)}
    inputs = [tf.TensorSpec([None], tf.string, "examples")]

    @tf.function(input_signature=inputs)
    def examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return predict(tf.io.parse_example(examples, spec))

    @tf.function(input_signature=inputs)
    def label_of(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        row = tf.io.parse_example(examples, label_spec)
        return label(row) if label else {LABEL: row[LABEL]}

    signatures = {"examples": examples, "label": label_of}
    tf.saved_model.save(tf.Module(), str(folder / "Format-Serving"), signatures=signatures)
    return folder


def write_rows(folder: Path, rows: Sequence[dict[str, Any]], files: int = 2) -> Path:
    """Writes the rows as the split `eval`, in so many files; None is a missing value."""
    split = folder / "Split-eval"
    split.mkdir(parents=True)
    for number in range(files):
        with tf.io.TFRecordWriter(str(split / f"rows-{number}.gz"), "GZIP") as writer:
            for row in rows[number::files]:
                writer.write(_example(row).SerializeToString())
    return folder


def _example(row: dict[str, Any]) -> tf.train.Example:
    example = tf.train.Example()
    for name, value in row.items():
        feature = example.features.feature[name]
        if isinstance(value, str):
            feature.bytes_list.value.append(value.encode())
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        elif value is not None:
            feature.float_list.value.append(value)
    return example


def evaluate(
    folder: Path,
    settings: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    candidate: Path,
    baseline: Path | None = None,
    label: str | dict[str, str] = LABEL,
    weight: str | None = None,
) -> Evaluation:
    """Runs the Evaluator's executor in `folder` and returns what came of it."""
    parsed = EvaluateSettings.model_validate({"slices": {}, **settings})
    schema = folder / "schema"
    schema.mkdir(parents=True)
    (schema / "schema.pbtxt").write_text(SCHEMA)
    examples = _artifact(standard_artifacts.Examples, write_rows(folder / "examples", rows), 1)
    examples.split_names = '["eval"]'
    outputs = {
        "evaluation": [_artifact(standard_artifacts.ModelEvaluation, folder / "evaluation", 2)],
        "blessing": [_artifact(standard_artifacts.ModelBlessing, folder / "blessing", 3)],
    }
    inputs = {
        "examples": [examples],
        "model": [_artifact(standard_artifacts.Model, candidate, 4)],
        "schema": [_artifact(standard_artifacts.Schema, schema, 5)],
        "baseline_model": [_artifact(standard_artifacts.Model, baseline, 6)] if baseline else [],
    }
    properties = {
        "eval_config": json_format.MessageToJson(make_eval_config(parsed, label, weight)),
        "example_splits": '["eval"]',
        "settings": json.dumps({"baseline": parsed.baseline, "code": {}}),
    }
    context = Executor.Context(
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=unused"],
        tmp_dir=str(folder / "tmp"),
        unique_id="1",
    )
    Executor(context).Do(inputs, outputs, properties)
    blessed = outputs["blessing"][0].get_int_custom_property("blessed") == 1
    return Evaluation(str(folder / "evaluation"), blessed)


def _artifact(kind: Any, path: Path, number: int) -> Any:
    artifact = kind()
    artifact.uri = str(path)
    artifact.id = number
    return artifact
