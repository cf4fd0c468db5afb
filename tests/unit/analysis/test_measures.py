"""Which way a metric is better, where a bound applies, and what is weak."""

from __future__ import annotations

from hilir.analysis.measures import complete, find_bounds, find_weak, main_measure, read_measures, sort_slices


def test_direction_comes_from_thresholds_then_from_the_class() -> None:
    metrics = [("auc", "AUC"), ("mae", "MeanAbsoluteError"), ("rows", "ExampleCount"), ("own", "Mine"), ("fn", "FN")]
    listed = [{"name": name, "class": kind} for name, kind in metrics]
    evaluate = {
        "metrics": [*listed, {"name": "recall", "class": "Recall", "class_id": [0, 1]}],
        "thresholds": [{"metric": "own", "max": 3}],
    }
    found = {measure.name: measure.better for measure in read_measures(evaluate)}
    assert found == {"auc": 1, "mae": -1, "rows": 0, "own": -1, "fn": -1, "recall_0": 1, "recall_1": 1}


def test_a_bound_on_the_change_of_an_error_is_one_on_its_rise() -> None:
    evaluate = {
        "metrics": [{"name": "m", "class": "MeanSquaredError"}, {"name": "own", "class": "Mine", "class_id": [0, 1]}],
        "thresholds": [
            {"metric": "m", "change": {"absolute": 0.5}, "better": None},
            {"metric": "own_1", "change": {"absolute": -0.5}, "better": "lower"},
        ],
    }
    assert {measure.name: measure.better for measure in read_measures(evaluate)} == {"m": -1, "own_0": 1, "own_1": -1}
    assert [bound.change for bound in find_bounds(evaluate, {"overall": {}})] == [
        "rise by at most 0.5", "rise by at most 0.5",
    ]  # fmt: skip


EVALUATE = {
    "metrics": [
        {"name": "auc", "class": "AUC"},
        {"name": "loss", "class": "Hinge"},
        {"name": "n", "class": "ExampleCount"},
    ],
    "slices": {"hour": {"features": ["hour"]}, "card": {"values": {"payment": "Card"}}},
    "thresholds": [
        {"metric": "auc", "min": 0.8, "change": {"absolute": -0.02}},
        {"metric": "auc", "slice": "hour", "min": 0.7},
        {"metric": "auc", "slice": "card", "min": 0.7},
        {"metric": "loss", "max": 0.5},
    ],
}
METRICS = {
    "overall": {"auc": 0.9, "loss": 0.25, "n": 300.0},
    "hour=9": {"auc": 0.85, "loss": 0.3, "n": 150.0},
    "hour=10": {"auc": 0.65, "loss": 0.4, "n": 100.0},
    "hour=11": {"auc": 0.5, "loss": 0.7, "n": 5.0},
    "payment=Card": {"auc": 0.95, "loss": 0.2, "n": 45.0},
}


def test_a_bound_applies_to_each_value_of_its_slice() -> None:
    found = find_bounds(EVALUATE, METRICS)
    assert [(bound.metric, bound.part, bound.kept) for bound in found] == [
        ("auc", "overall", True),
        ("auc", "hour=9", True),
        ("auc", "hour=10", False),
        ("auc", "hour=11", False),
        ("auc", "payment=Card", True),
        ("loss", "overall", True),
    ]
    assert found[0].change == "fall by at most 0.02"


def test_weak_slices_have_enough_rows_and_are_worse_than_all() -> None:
    measures = read_measures(EVALUATE)
    main = main_measure(EVALUATE, measures)
    assert main is not None
    assert main.name == "auc"
    assert find_weak(METRICS, main, measures) == [("hour=10", 0.65, 100), ("hour=9", 0.85, 150)]


def test_names_alone_tell_counts_and_losses() -> None:
    found = [(each.name, each.better, each.counts) for each in complete([], ["auc", "example_count", "loss"])]
    assert found == [("auc", 1, False), ("example_count", 0, True), ("loss", -1, False)]


def test_slices_are_sorted_as_a_person_would() -> None:
    names = ["hour=10", "hour=9", "overall", "day=²", "a"]
    assert list(sort_slices({name: {} for name in names})) == ["overall", "a", "day=²", "hour=9", "hour=10"]
