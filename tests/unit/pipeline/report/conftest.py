from __future__ import annotations

from dataclasses import replace

import pytest

from hilir.pipeline.report.document import Document

EVALUATE = {
    "metrics": [
        {"name": "auc", "class": "AUC"},
        {"name": "loss", "class": "BinaryCrossentropy"},
        {"name": "rows", "class": "ExampleCount"},
    ],
    "slices": {"hour": {"features": ["hour"]}, "card": {"values": {"payment": "Card"}}},
    "thresholds": [
        {"metric": "auc", "min": 0.8, "change": {"absolute": -0.02}},
        {"metric": "auc", "slice": "hour", "min": 0.7},
        {"metric": "loss", "max": 0.5},
    ],
}
METRICS = {
    "overall": {"auc": 0.9, "loss": 0.25, "rows": 300.0},
    "hour=9": {"auc": 0.85, "loss": 0.3, "rows": 150.0},
    "hour=10": {"auc": 0.65, "loss": 0.4, "rows": 100.0},
    "hour=11": {"auc": 0.5, "loss": 0.7, "rows": 5.0},
    "payment=Card": {"auc": 0.95, "loss": 0.2, "rows": 45.0},
}
THRESHOLDS = [
    {"threshold": at, "true_positives": tp, "false_positives": fp, "true_negatives": 100 - fp,
     "false_negatives": 50 - tp, "precision": tp / (tp + fp) if tp + fp else None, "recall": tp / 50}
    for at, tp, fp in ((0.0, 50, 100), (0.25, 48, 40), (0.5, 40, 10), (1.0, 0, 0))
]  # fmt: skip


@pytest.fixture
def document() -> Document:
    """A run with a little of everything, whose names come from somebody who means harm."""
    numbers = {
        "rows": 300, "missing": 3, "mean": 4.5, "deviation": 2.0, "zeros": 1, "min": 0.0, "median": 4.0, "max": 10.0,
        "histogram": {"edges": [0.0, 5.0, 10.0], "counts": [200.0, 97.0]},
    }  # fmt: skip
    words = {
        "rows": 300,
        "missing": 0,
        "unique": 3,
        "top": [["<b>Card</b>", 200.0], ["Cash\x1b[31m", 99.0]],
        "other": 1.0,
    }
    return Document(
        run_id="taxi-20261126-010203",
        model="taxi",
        command="hilir run taxi.yaml",
        status="succeeded",
        began=1_790_000_000.0,
        seconds=75.4,
        steps=[
            {"id": "ExampleGen", "state": "cached", "seconds": 0.1, "made": {"rows": {"train": 300, "eval": 100}},
             "outputs": [{"name": "examples", "type": "Examples", "uri": "out/<x>/1"}]},
            {"id": "Trainer", "state": "done", "seconds": 70.2, "made": {"epoch": "3/3"}, "outputs": []},
        ],
        edges=[["ExampleGen", "Trainer"]],
        config=[
            ["train.epochs", 3, "taxi.yaml"],
            ["train.seed", 1, "base.yaml"],
            ["data.path", "<script>", "--set data.path"],
        ],
        evaluate=EVALUATE,
        card={"owner": "Ada <ada@example.com>"},
        statistics={
            "splits": {"train": 300, "eval": 100},
            "features": [
                {"name": "miles", "kind": "float", "splits": {"train": numbers, "eval": numbers | {"rows": 100}}},
                {"name": "<script>alert(1)</script>", "kind": "string", "splits": {"train": words, "eval": words}},
            ],
        },
        anomalies=[
            {"split": "eval", "feature": "miles", "severity": "error", "what": "Out-of-range values", "detail": "x > 1"}
        ],
        data={"checked_against": "schema.pbtxt", "anomalies": [], "drift_since": "version 1", "drift": []},
        curves={"loss": {"train": [[1, 0.5], [2, 0.3]], "validation": [[1, 0.6], [2, None]]}},
        evaluation={
            "metrics": METRICS,
            "baseline": {"overall": {"auc": 0.91, "loss": 0.3, "rows": 300.0}},
            "reasons": [],
            "comparison": {"baseline": "out/1", "skipped": None, "unchecked": []},
            "plots": {
                "": {
                    "thresholds": THRESHOLDS,
                    "calibration": [
                        {"lower": 0.0, "upper": 0.5, "rows": 40, "mean_score": 0.2, "mean_label": 0.25},
                        {"lower": 0.5, "upper": 1.0, "rows": 60, "mean_score": 0.8, "mean_label": 0.7},
                    ],
                    "classes": [{"label": 0, "predicted": 0, "rows": 9.0}, {"label": 1, "predicted": 0, "rows": 2.0}],
                }
            },
        },
        exports={
            "tflite": {
                "format": "tflite", "examples": 1000, "saved_model": {"bytes": 400_000, "latency_ms": {"median": 0.5}},
                "variants": {
                    "int8": {"kept": False, "reasons": ["agreement 0.9, the bound is 0.97"], "notes": [], "bytes": 9000,
                             "parity": {"difference": 0.2, "agreement": 0.9, "metric_loss": 0.01},
                             "latency_ms": {"median": 0.1}},
                },
            }
        },
        pushed={"version": 7, "path": "out/models/taxi/7", "bytes": 493_000},
        lineage={"data": {"span": 3, "fingerprint": "f00"}, "code": {"model": "abc"}, "packages": {"hilir": "0.1.0"},
                 "machine": {"system": "Linux x86_64", "cores": 2, "python": "3.11.9"}},
    )  # fmt: skip


@pytest.fixture
def failed(document: Document) -> Document:
    """The same run, stopped by an error before anything was evaluated."""
    return replace(
        document,
        status="failed",
        reasons=["Trainer: ValueError: <oops>"],
        evaluation={},
        pushed={},
        curves={},
        exports={},
    )
