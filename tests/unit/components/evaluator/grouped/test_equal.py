"""Every metric that base.yaml accepts has the value that TFMA gives it row by row, for each slice and of two models."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from tensorflow_model_analysis.metrics import cross_entropy_metrics
from tensorflow_model_analysis.proto import config_pb2

from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.grouped.batched_metrics import make_plan
from hilir.components.evaluator.metric_classes import CLASSES
from hilir.components.evaluator.settings import EvaluateSettings
from tests.unit.components.evaluator.grouped.stock import assert_equal, compute_by_batch, compute_by_row, separate

RNG = np.random.default_rng(11)
ROWS, NUMBER = 150, 4
KINDS = np.array([b"a", b"b", b"c"], object)[RNG.integers(0, 3, (ROWS, 1))]
HOURS = RNG.integers(0, 3, (ROWS, 1))
FEATURES = {"kind": KINDS, "hour": HOURS}
SLICES = {
    "kind": {"features": ["kind"]},
    "both": {"features": ["kind", "hour"]},
    "one": {"values": {"kind": "b"}},
    "never": {"values": {"hour": 17}},
}
ARGUMENTS = {
    "PrecisionAtRecall": {"recall": 0.6},
    "RecallAtFalsePositiveRate": {"false_positive_rate": 0.3},
    "RecallAtPrecision": {"precision": 0.7},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "ThresholdAtRecall": {"recall": 0.6},
    "OneHotIoU": {"num_classes": NUMBER, "target_class_ids": [1, 2]},
    "OneHotMeanIoU": {"num_classes": NUMBER},
    "SparseTopKCategoricalAccuracy": {"k": 2},
    "TopKCategoricalAccuracy": {"k": 2},
}


def draw(kind: str, sparse: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns labels and the scores of two models."""
    if kind != "classes":
        labels = RNG.integers(0, 2, (ROWS, 1))
        return labels, *(np.clip(labels * 0.4 + RNG.random((ROWS, 1)) * 0.6, 0.01, 0.99).astype("f4") for _ in "ab")
    labels = RNG.integers(0, NUMBER, (ROWS, 1))
    raw = [RNG.random((ROWS, NUMBER)) + np.eye(NUMBER)[labels[:, 0]] * 0.5 for _ in "ab"]
    scores = [(each / each.sum(axis=1, keepdims=True)).astype("f4") for each in raw]
    return labels if sparse else np.eye(NUMBER, dtype="f4")[labels[:, 0]], *scores


def cut(labels: np.ndarray, candidate: np.ndarray, baseline: np.ndarray, weights: np.ndarray | None) -> list[Any]:
    """Returns three batches, of different sizes, of extracts of two models."""
    batches = []
    for start, end in ((0, 70), (70, 71), (71, ROWS)):
        batch = {
            "labels": labels[start:end],
            "predictions": {"candidate": candidate[start:end], "baseline": baseline[start:end]},
            "features": {name: column[start:end] for name, column in FEATURES.items()},
        }
        batches.append(batch if weights is None else batch | {"example_weights": weights[start:end]})
    return batches


def configure(metrics: list[dict[str, Any]], *, plots: bool = False, weight: str | None = None) -> Any:
    settings = EvaluateSettings.model_validate(
        {"metrics": metrics, "slices": SLICES, "thresholds": [{"metric": "m0", "min": -9}], "plots": plots}
    )
    config = make_eval_config(settings, "label", weight)
    config.model_specs[0].name = "candidate"
    baseline = config.model_specs.add()
    baseline.CopyFrom(config.model_specs[0])
    baseline.name, baseline.is_baseline = "baseline", True
    for spec in config.metrics_specs:
        spec.model_names.extend(["candidate", "baseline"])
    return config


def name_all(kind: str, **part: Any) -> list[dict[str, Any]]:
    found = [name for name, known in CLASSES.items() if known.kind == kind]
    return [
        {"name": f"m{number}", "class": name, "config": ARGUMENTS.get(name, {}), **part}
        for number, name in enumerate(found)
    ]


def check(config: config_pb2.EvalConfig, batches: list[Any]) -> None:
    assert make_plan(separate(config).non_derived_computations).by_row == ()
    expected = compute_by_row(config, batches)
    assert len(expected) > 10
    assert_equal(compute_by_batch(config, batches), expected)


WEIGHTS = RNG.choice([0.0, 0.25, 1.0, 3.0], (ROWS, 1)).astype("f4")


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("kind", ["binary", "any"])
def test_metrics_of_one_score(kind: str, weight: str | None) -> None:
    config = configure(name_all(kind), plots=True, weight=weight)
    check(config, cut(*draw(kind, sparse=True), WEIGHTS if weight else None))


@pytest.mark.parametrize("sparse", [True, False])
def test_metrics_of_all_classes(sparse: bool) -> None:
    metrics = [each for each in name_all("classes") if each["class"].startswith("Sparse") == sparse]
    metrics[0]["name"] = "m0"
    check(configure(metrics, plots=True), cut(*draw("classes", sparse), None))


@pytest.mark.parametrize("part", [{"class_id": 2}, {"top_k": 2}, {"k": 2}], ids=str)
@pytest.mark.parametrize("sparse", [True, False])
def test_metrics_of_parts_of_the_scores(part: dict[str, int], sparse: bool) -> None:
    metrics = [
        {"name": f"m{number}", "class": name, "config": config, **part}
        for number, (name, config) in enumerate(
            [
                ("Precision", {}),
                ("Recall", {"thresholds": 0.3}),
                ("AUC", {}),
                ("F1Score", {}),
                ("TP", {"thresholds": 0.2}),
            ]
        )
    ]
    check(configure(metrics, weight="w"), cut(*draw("classes", sparse), WEIGHTS))


def test_labels_between_0_and_1() -> None:
    config = configure([{"name": "m0", "class": "AUC"}, {"name": "m1", "class": "F1Score"}])
    _, *scores = draw("binary", sparse=True)
    check(config, cut(RNG.random((ROWS, 1)).round(2).astype("f4"), *scores, None))


def test_a_metric_that_is_not_known_goes_row_by_row_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    config = configure([{"name": "m0", "class": "AUC"}])
    config.metrics_specs[0].metrics.add(class_name="BinaryCrossEntropy", module=cross_entropy_metrics.__name__)
    batches = cut(*draw("binary", sparse=True), WEIGHTS)
    with caplog.at_level(logging.WARNING):
        plan = make_plan(separate(config).non_derived_computations)
    assert len(plan.by_row) == 2
    assert caplog.messages == ["binary_crossentropy (_BinaryCrossEntropyCombiner) is computed row by row"] * 2
    assert_equal(compute_by_batch(config, batches), compute_by_row(config, batches))
