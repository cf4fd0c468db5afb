"""The Evaluator alone on made-up rows: 26 slices, a candidate and a baseline.

`python -m benchmarks.pipeline.evaluator ours|multiprocess|stock ROWS FOLDER` prints its seconds and processor seconds,
without the imports and without making the rows; the first call makes them in the folder.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "1"

import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tfx.components.evaluator import executor as stock
from tfx.types import standard_artifacts

from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.executor import Executor
from hilir.components.evaluator.settings import EvaluateSettings
from hilir.components.processes import beam_workers

COLUMNS = ["x", *(f"f{number}" for number in range(10))]
METRICS = {"auc": "AUC", "accuracy": "BinaryAccuracy", "loss": "BinaryCrossentropy", "rows": "ExampleCount"}


def make_rows(folder: Path, rows: int) -> None:
    """Writes the split `eval`, the schema and two models."""
    draw = np.random.default_rng(1)
    numbers = draw.random((rows, len(COLUMNS)))
    labels, hours, cards = draw.random(rows) < numbers[:, 0], draw.integers(0, 24, rows), draw.integers(0, 2, rows)
    (folder / "examples/Split-eval").mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "examples/Split-eval/rows.gz"), "GZIP") as writer:
        for row, label, hour, card in zip(numbers.tolist(), labels, hours, cards, strict=True):
            features = {
                name: tf.train.Feature(float_list={"value": [value]}) for name, value in zip(COLUMNS, row, strict=True)
            }
            features |= {
                "label": tf.train.Feature(int64_list={"value": [int(label)]}),
                "hour": tf.train.Feature(int64_list={"value": [int(hour)]}),
                "kind": tf.train.Feature(bytes_list={"value": [b"card" if card else b"cash"]}),
            }
            writer.write(tf.train.Example(features={"feature": features}).SerializeToString())
    types = dict.fromkeys(COLUMNS, "FLOAT") | {"label": "INT", "hour": "INT", "kind": "BYTES"}
    (folder / "schema").mkdir()
    (folder / "schema/schema.pbtxt").write_text(
        "".join(
            f'feature {{ name: "{name}" type: {kind} value_count {{ min: 1 max: 1 }} presence {{ min_count: 1 }} }}\n'
            for name, kind in types.items()
        )
    )
    for name, factor in (("candidate", 1.0), ("baseline", 0.9)):
        make_model(folder / name, factor)


def make_model(folder: Path, factor: float) -> None:
    """Writes a network with one hidden layer of 100, and a label."""
    draw = np.random.default_rng(2)
    hidden = tf.constant(draw.normal(size=(len(COLUMNS), 100)).astype("f4"))
    output = tf.constant(draw.normal(size=(100, 1)).astype("f4"))
    spec = {name: tf.io.FixedLenFeature([1], tf.float32) for name in COLUMNS}
    inputs = [tf.TensorSpec([None], tf.string, "examples")]

    @tf.function(input_signature=inputs)
    def examples(examples: Any) -> Any:
        row = tf.io.parse_example(examples, spec)
        noise = tf.nn.relu(tf.concat([row[name] for name in COLUMNS], 1) @ hidden) @ output
        return {"score": tf.clip_by_value(row["x"] * factor + 1e-3 * noise, 0.001, 0.999)}

    @tf.function(input_signature=inputs)
    def label(examples: Any) -> Any:
        return tf.io.parse_example(examples, {"label": tf.io.FixedLenFeature([1], tf.int64)})

    tf.saved_model.save(tf.Module(), str(folder / "Format-Serving"), signatures={"examples": examples, "label": label})


def ours() -> dict[str, Any]:
    """Returns the execution properties of our Evaluator."""
    settings = EvaluateSettings.model_validate(
        {
            "plots": False,
            "metrics": [{"name": name, "class": kind} for name, kind in METRICS.items()],
            "slices": {"hour": {"features": ["hour"]}, "kind": {"values": {"kind": "card"}}},
            "thresholds": [{"metric": "auc", "min": 0.5}],
        }
    )
    config = json_format.MessageToJson(make_eval_config(settings, "label"))
    return {"eval_config": config, "settings": json.dumps({"baseline": "compare", "code": {}})}


def theirs() -> dict[str, Any]:
    """Returns those of TFX's, with the same metrics and slices."""
    bound = tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.5}))
    metrics = [
        tfma.MetricConfig(
            class_name=kind, config=json.dumps({"name": name}), threshold=bound if name == "auc" else None
        )
        for name, kind in METRICS.items()
    ]
    config = tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name="examples", label_key="label")],
        slicing_specs=[
            tfma.SlicingSpec(),
            tfma.SlicingSpec(feature_keys=["hour"]),
            tfma.SlicingSpec(feature_values={"kind": "card"}),
        ],
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
    )
    return {"eval_config": json_format.MessageToJson(config), "fairness_indicator_thresholds": "null"}


def artifact(kind: Any, path: Path, number: int) -> Any:
    made = kind()
    made.uri, made.id = str(path), number
    return made


def main() -> None:
    kind, rows, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    out = folder / f"{kind}-{os.getpid()}"
    workers = beam_workers.forked_from_here() if kind == "multiprocess" else nullcontext()
    with workers:
        if not (folder / "schema").exists():
            make_rows(folder, rows)
        examples = artifact(standard_artifacts.Examples, folder / "examples", 1)
        examples.split_names = '["eval"]'
        inputs = {
            "examples": [examples],
            "model": [artifact(standard_artifacts.Model, folder / "candidate", 2)],
            "baseline_model": [artifact(standard_artifacts.Model, folder / "baseline", 3)],
            "schema": [artifact(standard_artifacts.Schema, folder / "schema", 4)],
        }
        outputs = {
            "evaluation": [artifact(standard_artifacts.ModelEvaluation, out / "evaluation", 5)],
            "blessing": [artifact(standard_artifacts.ModelBlessing, out / "blessing", 6)],
        }
        options = {
            "ours": ["--runner=FnApiRunner"],
            "multiprocess": beam_workers.list_options(2),
            "stock": ["--runner=DirectRunner", "--direct_running_mode=in_memory"],
        }[kind]
        executor, properties = (stock.Executor, theirs()) if kind == "stock" else (Executor, ours())
        context = executor.Context(beam_pipeline_args=options, tmp_dir=str(out / "tmp"), unique_id="1")
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        executor(context).Do(inputs, outputs, properties | {"example_splits": '["eval"]'})
        wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cost = {"wall": wall, "cpu": cpu, "memory": after.ru_maxrss / 1024, "load": os.getloadavg()[0]}
    print(json.dumps(cost), flush=True)


if __name__ == "__main__":
    main()
