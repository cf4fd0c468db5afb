"""A whole evaluation over batches against one by TFMA's evaluator, row by row, through Beam and TFMA's files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from tensorflow_model_analysis.proto import config_pb2

from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.grouped.evaluator import find_obstacle
from hilir.components.evaluator.plots import read_plots
from hilir.components.evaluator.results import read_baseline, read_metrics, read_reasons
from tests.unit.components.evaluator import evaluation
from tests.unit.components.evaluator.grouped.stock import assert_equal
from tests.unit.components.evaluator.test_evaluation import BINARY

SETTINGS = {
    "metrics": [
        {"name": "auc", "class": "AUC"},
        {"name": "loss", "class": "BinaryCrossentropy"},
        {"name": "f1", "class": "F1Score"},
        {"name": "rows", "class": "ExampleCount"},
    ],
    "slices": {"kind": {"features": ["kind"]}},
    "thresholds": [{"metric": "auc", "min": 0.99, "change": {"absolute": -0.001}}],
}


def evaluate(folder: Path, models: list[Path]) -> Any:
    return evaluation.evaluate(folder, SETTINGS, BINARY, *models)


def test_the_files_of_an_evaluation_are_those_of_tfma(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    models = [
        evaluation.make_model(tmp_path / "candidate", lambda row: {"score": row["x"] ** 2}),
        evaluation.make_model(tmp_path / "baseline", lambda row: {"score": row["x"]}),
    ]
    ours = evaluate(tmp_path / "ours", models)

    def require_rows(*arguments: Any) -> config_pb2.EvalConfig:
        config = make_eval_config(*arguments)
        config.options.min_slice_size.value = 2
        return config

    monkeypatch.setattr(evaluation, "make_eval_config", require_rows)
    with caplog.at_level(logging.WARNING):
        stock = evaluate(tmp_path / "stock", models)
    assert "the evaluation goes row by row, because of a least number of rows of a slice" in caplog.messages
    assert len(read_metrics(ours.uri)) == 4
    for read in (read_metrics, read_baseline, read_plots):
        assert_equal(read(ours.uri), read(stock.uri))
    assert ours.blessed == stock.blessed
    assert read_reasons(ours.uri) == read_reasons(stock.uri)


def test_what_needs_tfmas_evaluator() -> None:
    config = config_pb2.EvalConfig()
    assert find_obstacle(config, []) is None
    config.options.compute_confidence_intervals.value = True
    assert find_obstacle(config, []) == "confidence intervals"
