"""Whole evaluations: what the thresholds read is what the summary prints, whatever the model's outputs are."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from hilir.components.errors import EvaluationError
from hilir.components.evaluator.comparison import Comparison, read_comparison
from hilir.components.evaluator.results import read_baseline, read_metrics, read_reasons
from tests.unit.components.evaluator.evaluation import evaluate, make_model

RNG = np.random.default_rng(3)
X = RNG.random(200)
KIND = RNG.integers(0, 3, 200)
CLASS = np.where(RNG.random(200) < 0.7, (X * 3).astype(int), RNG.integers(0, 3, 200))
ROWS = [{"x": float(x), "kind": f"k{kind}", "label": int(label)} for x, kind, label in zip(X, KIND, CLASS, strict=True)]
BINARY = [row | {"label": int(row["label"] > 0)} for row in ROWS]


def scores(row):
    """Three classes by thirds of x, [rows, 3]."""
    centers = tf.constant([[1 / 6, 3 / 6, 5 / 6]])
    return tf.nn.softmax(-20.0 * tf.abs(row["x"] - centers))


_RAW = np.exp(-20 * np.abs(X[:, None] - np.array([1 / 6, 3 / 6, 5 / 6])))
SCORES = _RAW / _RAW.sum(axis=1, keepdims=True)


def top(x):
    return np.argmin(np.abs(x[:, None] - np.array([1 / 6, 3 / 6, 5 / 6])), axis=1)


def recall_of(number):
    """At a score above 0.5, which here is the top class except near the borders."""
    centers = np.array([1 / 6, 3 / 6, 5 / 6])
    raw = np.exp(-20 * np.abs(X[:, None] - centers))
    above = (raw / raw.sum(axis=1, keepdims=True))[:, number] > 0.5
    return np.mean(above[number == CLASS])


@pytest.fixture(scope="module")
def three_classes(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("classes"), lambda row: {"species": scores(row)})


@pytest.fixture(scope="module")
def two_outputs(tmp_path_factory):
    return make_model(
        tmp_path_factory.mktemp("outputs"), lambda row: {"species": scores(row), "flipped": scores(row)[:, ::-1]}
    )


def test_the_same_metric_of_each_class_has_a_value_and_a_threshold_of_its_own(tmp_path, three_classes):
    found = evaluate(
        tmp_path,
        {
            "metrics": [
                {"name": "recall", "class": "Recall", "class_id": [0, 1, 2]},
                {"name": "by_argument", "class": "Recall", "config": {"class_id": 1}},
                {"name": "top2", "class": "Recall", "top_k": 2},
                {"name": "second", "class": "Precision", "k": 2, "config": {"thresholds": 0.1}},
                {"name": "accuracy", "class": "SparseCategoricalAccuracy"},
                {"name": "rows", "class": "ExampleCount"},
            ],
            "slices": {"kind": {"features": ["kind"]}},
            "thresholds": [
                {"metric": "recall_0", "min": 0.99},
                {"metric": "recall_1", "min": 0.1},
                {"metric": "by_argument", "min": 0.99},
                {"metric": "top2", "max": 0.1},
                {"metric": "second", "max": 0.9},
                {"metric": "rows", "slice": "kind", "min": 1},
            ],
        },
        ROWS,
        three_classes,
    )
    metrics = read_metrics(found.uri)["overall"]
    assert [metrics[f"recall_{number}"] for number in range(3)] == pytest.approx([recall_of(n) for n in range(3)])
    assert metrics["by_argument"] == metrics["recall_1"]
    assert metrics["accuracy"] == pytest.approx(np.mean(top(X) == CLASS))
    order = np.argsort(-SCORES, axis=1)
    assert metrics["top2"] == pytest.approx(np.mean((order[:, :2] == CLASS[:, None]).any(axis=1)))
    above = np.sort(SCORES, axis=1)[:, 1] > 0.1
    assert metrics["second"] == pytest.approx(np.mean((order[:, 1] == CLASS)[above]))
    assert not found.blessed
    assert sorted(read_reasons(found.uri)) == [
        f"by_argument over overall is {metrics['by_argument']:.4f}, the bound is at least 0.99",
        f"recall_0 over overall is {metrics['recall_0']:.4f}, the bound is at least 0.99",
        f"top2 over overall is {metrics['top2']:.4f}, the bound is at most 0.1",
    ]
    by_kind = read_metrics(found.uri)
    assert {f"kind=k{n}": by_kind[f"kind=k{n}"]["rows"] for n in range(3)} == {
        f"kind=k{n}": np.sum(n == KIND) for n in range(3)
    }


def test_each_output_of_several_has_its_metrics(tmp_path, two_outputs):
    found = evaluate(
        tmp_path,
        {
            "output": "species",
            "metrics": [
                {"name": "species", "class": "SparseCategoricalAccuracy"},
                {"name": "flipped", "class": "SparseCategoricalAccuracy", "output": "flipped"},
                {"name": "recall", "class": "Recall", "output": "flipped", "class_id": 2},
                {"name": "rows", "class": "ExampleCount"},
            ],
            "thresholds": [{"metric": "species", "min": 0.5}, {"metric": "flipped", "max": 0.5}],
        },
        ROWS,
        two_outputs,
    )
    metrics = read_metrics(found.uri)["overall"]
    assert metrics["species"] == pytest.approx(np.mean(top(X) == CLASS))
    assert metrics["flipped"] == pytest.approx(np.mean(2 - top(X) == CLASS))
    assert metrics["rows"] == 200
    assert found.blessed


def test_outputs_that_have_labels_of_their_own(tmp_path):
    model = make_model(
        tmp_path / "model",
        lambda row: {"big": row["x"], "small": 1 - row["x"]},
        label=lambda row: {"is_big": row["label"], "is_small": 1 - row["label"]},
    )
    found = evaluate(
        tmp_path / "run",
        {
            "metrics": [
                {"name": "big", "class": "MeanLabel", "output": "big"},
                {"name": "small", "class": "MeanLabel", "output": "small"},
                {"name": "error", "class": "MeanSquaredError", "output": "small"},
            ],
            "thresholds": [{"metric": "big", "min": 0}],
        },
        BINARY,
        model,
        label={"big": "is_big", "small": "is_small"},
    )
    label = np.array([row["label"] for row in BINARY])
    metrics = read_metrics(found.uri)["overall"]
    assert metrics["big"] == pytest.approx(label.mean())
    assert metrics["small"] == pytest.approx(1 - label.mean())
    assert metrics["error"] == pytest.approx(np.mean((X - label) ** 2))


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)], ids=["a number a row", "a list of one a row"])
def test_one_output_tensor(tmp_path, shape):
    model = make_model(tmp_path / "model", lambda row: {"output_0": tf.reshape(row["x"], shape)})
    settings = {
        "output": "output_0",
        "metrics": [{"name": "accuracy", "class": "BinaryAccuracy"}, {"name": "error", "class": "MeanAbsoluteError"}],
        "thresholds": [{"metric": "accuracy", "min": 0}],
    }
    found = evaluate(tmp_path / "run", settings, BINARY, model)
    label = np.array([row["label"] for row in BINARY])
    metrics = read_metrics(found.uri)["overall"]
    assert metrics["accuracy"] == pytest.approx(np.mean((X > 0.5) == label))
    assert metrics["error"] == pytest.approx(np.mean(np.abs(X - label)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "the model has the outputs flipped, species, and the metric 'accuracy' does not say which it reads"),
        ({"output": "sort"}, "evaluate.output: 'sort' is not an output of the model; its outputs are flipped, species"),
    ],
)
def test_an_output_that_is_not_there_or_not_named(tmp_path, two_outputs, settings, sentence):
    metrics = {
        "metrics": [{"name": "rows", "class": "ExampleCount"}, {"name": "accuracy", "class": "BinaryAccuracy"}],
        "thresholds": [{"metric": "accuracy", "min": 0}],
    }
    with pytest.raises(EvaluationError, match=sentence):
        evaluate(tmp_path, metrics | settings, ROWS, two_outputs)


def test_slices_see_raw_values_where_the_label_has_the_name_of_a_column(tmp_path):
    """The label of the model is 1 for class 2, and is called like the raw column, which has 0, 1 and 2."""
    model = make_model(
        tmp_path / "model",
        lambda row: {"score": row["x"]},
        label=lambda row: {"label": tf.cast(row["label"] == 2, tf.int64)},
    )
    settings = {
        "metrics": [{"name": "positive", "class": "MeanLabel"}, {"name": "rows", "class": "ExampleCount"}],
        "slices": {"raw": {"features": ["label"]}, "one": {"values": {"label": 1, "kind": "k2"}}},
        "thresholds": [{"metric": "rows", "slice": "one", "min": 1}],
    }
    metrics = read_metrics(evaluate(tmp_path / "run", settings, ROWS, model).uri)
    assert {f"label={n}": metrics[f"label={n}"]["rows"] for n in range(3)} == {
        f"label={n}": np.sum(n == CLASS) for n in range(3)
    }
    assert [metrics[f"label={n}"]["positive"] for n in range(3)] == [0, 0, 1]
    assert metrics["kind=k2, label=1"]["rows"] == np.sum((CLASS == 1) & (KIND == 2))


SETTINGS = {
    "metrics": [{"name": "error", "class": "MeanSquaredError"}, {"name": "accuracy", "class": "BinaryAccuracy"}],
    "thresholds": [
        {"metric": "error", "max": 10, "better": "lower", "change": {"absolute": 0.01}},
        {"metric": "accuracy", "change": {"absolute": -0.02, "relative": -0.01}},
    ],
}
NEEDS_X = {"x": tf.io.FixedLenFeature([1], tf.float32)}


def test_a_worse_candidate_is_told_in_the_direction_that_it_moved(tmp_path):
    good = make_model(tmp_path / "good", lambda row: {"p": row["x"]})
    bad = make_model(tmp_path / "bad", lambda row: {"q": 1 - row["x"]})
    found = evaluate(tmp_path / "run", SETTINGS, BINARY, bad, baseline=good)
    label = np.array([row["label"] for row in BINARY])
    before, after = np.mean((X - label) ** 2), np.mean((1 - X - label) ** 2)
    accuracy, worse = np.mean((X > 0.5) == label), np.mean((1 - X > 0.5) == label)
    assert read_baseline(found.uri)["overall"]["error"] == pytest.approx(before)
    assert not found.blessed
    assert sorted(read_reasons(found.uri)) == [
        f"accuracy over overall fell by {accuracy - worse:.4g} or {(accuracy - worse) / accuracy:.2%} "
        f"against the baseline, the bound is 0.02 and 1.00%",
        f"error over overall rose by {after - before:.4g} against the baseline, the bound is 0.01",
    ]
    assert read_comparison(found.uri) == Comparison(str(tmp_path / "good"))


def test_the_label_is_the_candidates_where_the_baseline_has_another(tmp_path):
    """The baseline's own `label` cannot read the rows; it is not asked."""
    old = make_model(tmp_path / "old", lambda row: {"p": row["x"]}, label=lambda row: {"label": row["label"] + 100})
    new = make_model(tmp_path / "new", lambda row: {"p": row["x"]})
    found = evaluate(tmp_path / "run", SETTINGS, BINARY, new, baseline=old)
    assert read_baseline(found.uri) == read_metrics(found.uri)
    assert found.blessed


def test_a_baseline_that_cannot_answer_stops_the_run_or_is_left_out(tmp_path):
    rows = [*BINARY[:-1], BINARY[-1] | {"x": None}]
    old = make_model(tmp_path / "old", lambda row: {"p": row["x"]}, parse=NEEDS_X)
    new = make_model(tmp_path / "new", lambda row: {"p": row["x"]})
    reason = "it needs a value of 'x' in each row, and there are rows without one"
    with pytest.raises(EvaluationError, match=rf"{reason}; .* --set evaluate.baseline=skip_incompatible"):
        evaluate(tmp_path / "stops", SETTINGS, rows, new, baseline=old)
    found = evaluate(tmp_path / "goes", SETTINGS | {"baseline": "skip_incompatible"}, rows, new, baseline=old)
    assert found.blessed
    assert read_baseline(found.uri) == {}
    assert read_comparison(found.uri) == Comparison(
        str(tmp_path / "old"), reason, ("error over overall", "accuracy over overall")
    )


def test_a_baseline_that_takes_another_type_is_incompatible(tmp_path):
    whole = {"x": tf.io.FixedLenFeature([1], tf.int64, -1)}
    old = make_model(tmp_path / "old", lambda row: {"p": tf.cast(row["x"], tf.float32)}, parse=whole)
    new = make_model(tmp_path / "new", lambda row: {"p": row["x"]})
    with pytest.raises(EvaluationError, match="with: it takes 'x' as int64, and the data has float; evaluate without"):
        evaluate(tmp_path / "run", SETTINGS, BINARY, new, baseline=old)


def test_a_baseline_without_the_output_is_incompatible(tmp_path, two_outputs):
    new = make_model(tmp_path / "new", lambda row: {"species": scores(row), "sort": scores(row)})
    settings = {
        "output": "sort",
        "metrics": [{"name": "accuracy", "class": "SparseCategoricalAccuracy"}],
        "thresholds": [{"metric": "accuracy", "min": 0}],
    }
    with pytest.raises(EvaluationError, match="it has no output sort, only flipped, species"):
        evaluate(tmp_path / "run", settings, ROWS, new, baseline=two_outputs)


def test_the_output_of_that_name_is_taken_from_a_baseline_with_several(tmp_path, two_outputs):
    new = make_model(tmp_path / "new", lambda row: {"flipped": scores(row)})
    settings = {
        "metrics": [{"name": "accuracy", "class": "SparseCategoricalAccuracy"}],
        "thresholds": [{"metric": "accuracy", "min": 0}],
    }
    found = evaluate(tmp_path / "run", settings, ROWS, new, baseline=two_outputs)
    assert read_metrics(found.uri)["overall"]["accuracy"] == pytest.approx(np.mean(top(X) == CLASS))
    assert read_baseline(found.uri)["overall"]["accuracy"] == pytest.approx(np.mean(2 - top(X) == CLASS))


def test_without_a_baseline_nothing_was_compared(tmp_path):
    model = make_model(tmp_path / "model", lambda row: {"p": row["x"]})
    found = evaluate(tmp_path / "run", SETTINGS, BINARY, model)
    assert found.blessed
    assert read_comparison(found.uri) == Comparison(unchecked=("error over overall", "accuracy over overall"))
