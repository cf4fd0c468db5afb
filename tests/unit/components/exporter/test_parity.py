from __future__ import annotations

import numpy as np
import pytest

from hilir.components.exporter.errors import ExportError
from hilir.components.exporter.settings import Bounds

EXACT = Bounds(difference=0.0, agreement=1.0, metric_loss=0.0)


@pytest.fixture
def reference():
    from hilir.components.exporter.parity import MetricSpec, Reference

    outputs = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]], np.float32)
    metric = MetricSpec("accuracy", "SparseCategoricalAccuracy", {})
    return Reference({"p": outputs}, np.array([[0], [1], [0], [1]]), metric)


def compare(reference, outputs):
    from hilir.components.exporter.parity import compare

    return compare(reference, {"p": outputs})


def test_the_same_outputs_break_no_bound(reference):
    parity = compare(reference, reference.main.copy())
    assert (parity.difference, parity.agreement, parity.metric_loss) == (0.0, 1.0, 0.0)
    assert parity.broken(EXACT) == []


def test_each_broken_bound_is_named_with_the_row_that_differs_most(reference):
    outputs = reference.main.copy()
    outputs[2] = [0.45, 0.55]
    parity = compare(reference, outputs)
    assert parity.row == 2
    assert parity.difference == pytest.approx(0.45)
    difference, agreement, metric = parity.broken(Bounds(difference=0.4, agreement=0.9, metric_loss=0.1))
    assert "row 2 differs most, by 0.45; the bound is 0.4" in difference
    assert "75.00% of 4 examples" in agreement
    assert "accuracy is 0.7500 and the SavedModel's 1.0000 (row 2 differs most); it may lose 0.1" in metric


def test_no_number_is_as_far_as_can_be(reference):
    outputs = reference.main.copy()
    outputs[1, 0] = np.nan
    parity = compare(reference, outputs)
    assert parity.row == 1
    assert parity.difference == np.inf
    assert parity.broken(Bounds(difference=1e9, agreement=0.0, metric_loss=1.0))


def test_a_metric_may_be_better_when_lower():
    from hilir.components.exporter.parity import MetricSpec, Reference, compare

    values = np.array([[0.5], [1.0]], np.float32)
    reference = Reference({"y": values}, values, MetricSpec("error", "MeanAbsoluteError", {}, "lower"))
    parity = compare(reference, {"y": values + 0.25})
    assert parity.metric_loss == pytest.approx(0.25)


@pytest.mark.parametrize("unit", [1000.0, 0.001])
def test_outputs_that_are_no_scores_are_measured_in_their_own_scale(unit):
    from hilir.components.exporter.parity import MetricSpec, Reference, compare

    rents = np.array([[-1.0], [0.0], [1.0], [2.0], [3.0]], np.float32) * unit
    reference = Reference({"rent": rents}, rents + unit / 2, MetricSpec("error", "MeanAbsoluteError", {}, "lower"))
    near = rents + np.array([[0.0], [0.0], [0.0], [0.0], [0.1]]) * unit
    parity = compare(reference, {"rent": near})
    assert parity.scale == pytest.approx(unit * np.sqrt(2.0))
    assert (parity.difference, parity.row) == (pytest.approx(0.1 * unit), 4)
    assert parity.agreement is None, "prices have no top class"
    assert parity.broken(Bounds(difference=0.08, agreement=1.0, metric_loss=0.0)) == []
    off = compare(reference, {"rent": rents - unit / 10})
    assert (off.metric_loss, off.metric_scale) == (pytest.approx(0.1 * unit), pytest.approx(0.5 * unit))
    difference, metric = off.broken(Bounds(difference=0.07, agreement=1.0, metric_loss=0.19))
    assert difference.endswith(", 0.0707 of its output's standard deviation; the bound is 0.07")
    assert metric.endswith("; it may lose 0.19 of that")
    assert off.broken(Bounds(difference=0.071, agreement=1.0, metric_loss=0.21)) == []


def test_what_float32_rounds_is_no_difference():
    from hilir.components.exporter.parity import MetricSpec, Reference, compare

    years = np.array([[1999.0], [2000.0]], np.float32)
    reference = Reference({"year": years}, years, MetricSpec("error", "MeanAbsoluteError", {}, "lower"))
    assert compare(reference, {"year": np.nextafter(years, 3000)}).broken(EXACT)[0].startswith("error is 0.0001")
    assert compare(reference, {"year": np.nextafter(years, 3000)}).difference == 0.0
    assert compare(reference, {"year": years + 0.01}).difference == pytest.approx(0.01, rel=0.01)


def test_the_worst_of_several_outputs_is_so_in_its_own_scale():
    from hilir.components.exporter.parity import MetricSpec, Reference, compare

    outputs = {"price": np.array([[0.0], [2000.0]], np.float32), "sold": np.array([[0.2], [0.9]], np.float32)}
    metric = MetricSpec("auc", "AUC", {}, output="sold")
    parity = compare(
        Reference(outputs, np.array([[0], [1]]), metric),
        {"price": outputs["price"] + 5.0, "sold": outputs["sold"] + np.array([[0.0], [0.05]], np.float32)},
    )
    assert (parity.difference, parity.scale, parity.row) == (pytest.approx(0.05), 1.0, 1)
    assert parity.agreement == 1.0


@pytest.mark.parametrize(
    ("outputs", "labels", "agreement"),
    [
        ([[2.0, -1.0], [-3.0, 4.0]], [[0], [1]], 0.5),  # logits of two classes
        ([[-0.1], [7.0]], [[0], [1]], 0.5),  # a logit
        ([[5.0, 7.0], [8.0, 9.0]], [[5.5, 7.0], [8.0, 9.0]], None),  # a forecast
        ([[4.0], [2.0]], [[4], [2]], None),  # whole numbers that are none of two classes
    ],
)
def test_classes_are_known_by_the_labels(outputs, labels, agreement):
    from hilir.components.exporter.parity import MetricSpec, Reference, compare

    before = np.array(outputs, np.float32)
    reference = Reference({"y": before}, np.array(labels), MetricSpec("m", "MeanAbsoluteError", {}, "lower"))
    after = before.copy()
    after[0] = -after[0]
    assert compare(reference, {"y": after}).agreement == agreement


def test_other_outputs_are_an_error(reference):
    with pytest.raises(ExportError, match="'p' of shape"):
        compare(reference, reference.main[:2])


def test_a_metric_that_keras_lacks_is_an_error():
    from hilir.components.exporter.parity import MetricSpec

    with pytest.raises(ExportError, match="ExampleCount, which is not a metric of Keras"):
        MetricSpec("example_count", "ExampleCount", {}).compute(np.zeros(1), np.zeros(1))


def test_the_metric_reads_its_output_and_its_class(reference):
    from hilir.components.exporter.parity import MetricSpec, Reference, compare

    labels = np.array([[0], [1], [1], [1]])
    metric = MetricSpec("recall", "Recall", {"thresholds": 0.5}, output="p", class_id=1)
    outputs = {"a": np.zeros((4, 1), np.float32), "p": reference.main}
    parity = compare(Reference(outputs, labels, metric), outputs)
    assert parity.saved_model_metric == pytest.approx(2 / 3)
    assert metric.compute(np.eye(2)[labels[:, 0]], reference.main) == pytest.approx(2 / 3)


def test_an_export_cannot_go_by_a_metric_that_keras_lacks():
    from hilir.pipeline.config import load
    from hilir.pipeline.errors import ConfigError

    settings = [
        "evaluate.metrics=[{name: f1, class: F1Score}, {name: auc, class: AUC}]",
        "evaluate.thresholds=[{metric: f1, min: 0.1}]",
    ]
    load("configs/taxi.yaml", settings=settings)
    with pytest.raises(ConfigError, match=r"exports cannot be compared by the metric 'f1'; set it to one of \['auc'\]"):
        load("configs/taxi.yaml", settings=[*settings, "export.tflite.variants=[float32]"])
    load("configs/taxi.yaml", settings=[*settings, "export.tflite.variants=[float32]", "export.metric=auc"])
