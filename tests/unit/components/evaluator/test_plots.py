"""The plots that a report draws: as data, with the right counts, and small."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hilir.components.evaluator.plots import read_plots
from tests.unit.components.evaluator.evaluation import evaluate, make_model
from tests.unit.components.evaluator.test_evaluation import BINARY, CLASS, ROWS, X, scores, top


def test_calibration_and_thresholds_of_scores(tmp_path):
    model = make_model(tmp_path / "model", lambda row: {"p": row["x"]})
    settings = {
        "metrics": [{"name": "auc", "class": "AUC"}],
        "slices": {"kind": {"features": ["kind"]}},
        "thresholds": [{"metric": "auc", "min": 0}],
    }
    found = evaluate(tmp_path / "run", settings, BINARY, model, baseline=model)
    plots = read_plots(found.uri)
    assert list(plots) == [""]
    label = np.array([row["label"] for row in BINARY])
    calibration = plots[""]["calibration"]
    assert sum(bucket["rows"] for bucket in calibration) == len(BINARY)
    bucket = calibration[len(calibration) // 2]
    inside = (bucket["lower"] <= X) & (bucket["upper"] > X)
    assert bucket["rows"] == inside.sum()
    assert bucket["mean_score"] == pytest.approx(X[inside].mean(), abs=1e-4)
    assert bucket["mean_label"] == pytest.approx(label[inside].mean(), abs=1e-4)
    middle = min(plots[""]["thresholds"], key=lambda each: abs(each["threshold"] - 0.5))
    above = middle["threshold"] < X
    assert middle["true_positives"] == np.sum(above & (label == 1))
    assert middle["false_negatives"] == np.sum(~above & (label == 1))
    assert middle["recall"] == pytest.approx(np.mean(above[label == 1]), abs=1e-5)
    assert len(json.dumps(plots, allow_nan=False)) < 100_000


def test_the_confusion_matrix_of_classes(tmp_path):
    model = make_model(tmp_path / "model", lambda row: {"species": scores(row)})
    settings = {
        "metrics": [{"name": "accuracy", "class": "SparseCategoricalAccuracy"}],
        "thresholds": [{"metric": "accuracy", "min": 0}],
    }
    plots = read_plots(evaluate(tmp_path / "run", settings, ROWS, model).uri)
    pairs = {(pair["label"], pair["predicted"]): pair["rows"] for pair in plots[""]["classes"]}
    guess = top(X)
    assert pairs == {
        (label, predicted): rows
        for label in range(3)
        for predicted in range(3)
        if (rows := np.sum((label == CLASS) & (guess == predicted)))
    }
