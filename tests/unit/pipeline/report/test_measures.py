"""Which way a metric is better, where a bound applies, and what is weak."""

from __future__ import annotations

from hilir.pipeline.report.document import Document
from hilir.pipeline.report.measures import find_bounds, find_weak, main_measure, read_measures


def test_direction_comes_from_thresholds_then_from_the_class() -> None:
    metrics = [("auc", "AUC"), ("mae", "MeanAbsoluteError"), ("rows", "ExampleCount"), ("own", "Mine"), ("fn", "FN")]
    listed = [{"name": name, "class": kind} for name, kind in metrics]
    evaluate = {
        "metrics": [*listed, {"name": "recall", "class": "Recall", "class_id": [0, 1]}],
        "thresholds": [{"metric": "own", "max": 3}],
    }
    found = {measure.name: measure.better for measure in read_measures(evaluate)}
    assert found == {"auc": 1, "mae": -1, "rows": 0, "own": -1, "fn": -1, "recall_0": 1, "recall_1": 1}


def test_a_bound_applies_to_each_value_of_its_slice(document: Document) -> None:
    found = [(bound.metric, bound.part, bound.kept) for bound in find_bounds(document.evaluate, document.metrics)]
    assert found == [
        ("auc", "overall", True),
        ("auc", "hour=9", True),
        ("auc", "hour=10", False),
        ("auc", "hour=11", False),
        ("loss", "overall", True),
    ]
    assert find_bounds(document.evaluate, document.metrics)[0].change == "fall by at most 0.02"


def test_weak_slices_have_enough_rows_and_are_worse_than_all(document: Document) -> None:
    measures = read_measures(document.evaluate)
    main = main_measure(document.evaluate, measures)
    assert main is not None
    assert main.name == "auc"
    assert find_weak(document.metrics, main, measures) == [("hour=10", 0.65, 100), ("hour=9", 0.85, 150)]
