"""Which rows an evaluation counts, and how much: against the values that NumPy gives."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from hilir.components.errors import EvaluationError
from hilir.components.evaluator.results import read_metrics
from hilir.components.missing import MISSING_INT
from tests.unit.components.evaluator.evaluation import evaluate, make_model

RNG = np.random.default_rng(5)
X = RNG.random(120)
LABEL = (RNG.random(120) < X).astype(int)
WEIGHT = RNG.choice([0.5, 1.0, 3.0], 120)
KIND = RNG.integers(0, 2, 120)
METRICS = {
    "metrics": [
        {"name": "accuracy", "class": "BinaryAccuracy"},
        {"name": "rows", "class": "ExampleCount"},
        {"name": "weight", "class": "WeightedExampleCount"},
    ],
    "thresholds": [{"metric": "accuracy", "min": 0.1}],
    "slices": {"kind": {"features": ["kind"]}},
    "plots": False,
}


def make_rows():
    return [
        {"x": float(x), "kind": f"k{kind}", "label": int(label), "w": float(weight)}
        for x, kind, label, weight in zip(X, KIND, LABEL, WEIGHT, strict=True)
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"), lambda row: {"p": row["x"]})


def test_metrics_and_slices_are_weighed(tmp_path, model):
    found = evaluate(tmp_path, METRICS, make_rows(), model, weight="w")
    metrics = read_metrics(found.uri)
    hit = (X > 0.5) == (LABEL == 1)
    assert found.blessed
    assert metrics["overall"]["accuracy"] == pytest.approx(np.average(hit, weights=WEIGHT), abs=1e-5)
    assert metrics["overall"]["rows"] == 120
    assert metrics["overall"]["weight"] == pytest.approx(WEIGHT.sum())
    for kind in (0, 1):
        part = kind == KIND
        expected = np.average(hit[part], weights=WEIGHT[part])
        assert metrics[f"kind=k{kind}"]["accuracy"] == pytest.approx(expected, abs=1e-5)


def test_rows_without_a_label_are_left_out(tmp_path):
    missing = np.arange(120) % 4 == 0

    def label(row):
        return {"label": tf.where(row["label"] == 7, tf.constant(MISSING_INT, tf.int64), row["label"])}

    model = make_model(tmp_path / "model", lambda row: {"p": row["x"]}, label=label)
    rows = [row | ({"label": 7} if gone else {}) for row, gone in zip(make_rows(), missing, strict=True)]
    metrics = read_metrics(evaluate(tmp_path / "run", METRICS, rows, model).uri)["overall"]
    hit = (X > 0.5) == (LABEL == 1)
    assert metrics["rows"] == 90
    assert metrics["accuracy"] == pytest.approx(np.mean(hit[~missing]), abs=1e-5)


def test_a_model_that_answers_nan_is_never_blessed(tmp_path):
    model = make_model(tmp_path / "model", lambda row: {"p": tf.where(row["x"] > 0.9, np.nan, row["x"])})
    with pytest.raises(EvaluationError, match=r"the model answers NaN for \d+ of the first \d+ rows that were asked"):
        evaluate(tmp_path / "run", METRICS, make_rows(), model)
    assert not (tmp_path / "run/blessing/BLESSED").exists()
