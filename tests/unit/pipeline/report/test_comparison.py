"""What differs between two runs."""

from __future__ import annotations

import json
from dataclasses import replace

from hilir.pipeline.report.compare_runs import compare
from hilir.pipeline.report.difference import write_json, write_lines
from hilir.pipeline.report.document import Document


def changed(document: Document) -> Document:
    words, numbers = document.statistics["features"][1], document.statistics["features"][0]
    train = numbers["splits"]["train"]
    moved = {**numbers, "splits": {"train": {**train, "mean": 6.5, "missing": 60}}}
    metrics = {"overall": {"auc": 0.92, "loss": 0.25, "rows": 300.0}, "hour=12": {"auc": 0.6}}
    return replace(
        document,
        run_id="taxi-2",
        config=[["train.epochs", 5, "taxi.yaml"], *document.config[1:], ["new.key", None, "x"]],
        statistics={"splits": {"train": 280, "eval": 100}, "features": [moved, {**words, "name": "other"}]},
        evaluation={"metrics": metrics},
        lineage={**document.lineage, "code": {"model": "def"}, "data": {"span": 4, "fingerprint": "f00"}},
    )


def test_a_run_does_not_differ_from_itself(document: Document) -> None:
    found = compare(document, document)
    assert (found.config, found.data, found.code) == ([], [], [])
    assert {line.better for line in found.metrics} == {0}
    assert "configuration: the same" in list(write_lines(found))


def test_every_part_names_what_differs(document: Document) -> None:
    found = compare(document, changed(document))
    assert [(line.name, line.one, line.other) for line in found.config] == [("train.epochs", 3, 5)]
    assert [(line.name, line.one, line.other) for line in found.data] == [
        ("rows train", 300, 280),
        ("span", 3, 4),
        ("feature miles: share missing", 0.01, 0.2),
        ("feature miles: mean", 4.5, 6.5),
        ("feature <script>alert(1)</script>", "there", None),
        ("feature other", None, "there"),
    ]
    assert [(line.name, line.one, line.other) for line in found.code] == [("model", "abc", "def")]
    lines = {(line.part, line.metric): (line.one, line.other, line.better) for line in found.metrics}
    assert lines["overall", "auc"] == (0.9, 0.92, 1)
    assert lines["overall", "loss"] == (0.25, 0.25, 0)
    assert lines["hour=12", "auc"] == (None, 0.6, 0)
    assert lines["hour=9", "auc"] == (0.85, None, 0)


def test_the_terminal_shows_all_rows_and_the_slices_that_changed_most(document: Document) -> None:
    lines = list(write_lines(compare(document, changed(document))))
    assert "  auc, all rows         0.9000 →       0.9200  +0.0200 better" in lines
    assert "  train.epochs  3 → 5" in lines
    everything = list(write_lines(compare(document, changed(document)), everything=True))
    assert any("hour=12" in line for line in everything)
    assert json.loads(write_json(compare(document, changed(document))))["config"][0]["name"] == "train.epochs"


def test_names_do_not_move_the_cursor(document: Document) -> None:
    other = replace(document, config=[["a\x1b[2J", 1, "x"]])
    assert not any("\x1b" in line for line in write_lines(compare(document, other)))
