"""The variants of a small model: what they are, what they must keep to, and what becomes of those that cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hilir.components.exporter.errors import ExportError
from hilir.components.exporter.settings import TFLiteSettings

LOOSE = {"difference": 1.0, "agreement": 0.0, "metric_loss": 1.0}
STRICT = {"difference": 1e-9, "agreement": 1.0, "metric_loss": 0.0}


def settings(**bounds):
    return TFLiteSettings.model_validate(
        {"variants": list(bounds), "inputs": "raw", "calibration": 100, "bounds": bounds}
    )


@pytest.fixture(scope="session")
def subject(small_model, rows):
    from hilir.components.exporter.export_input import Subject
    from hilir.components.exporter.parity import MetricSpec

    return Subject("small", small_model, rows, MetricSpec("auc", "AUC", {}), ("no", "yes"))


@pytest.fixture(scope="session")
def exported(subject, rows, tmp_path_factory):
    from hilir.components.exporter.tflite.tflite_export import export_tflite

    folder = tmp_path_factory.mktemp("tflite")
    bounds = {"float32": LOOSE, "dynamic_range": LOOSE, "float16": STRICT, "int8": LOOSE, "int16x8": LOOSE}
    return folder, export_tflite(subject, rows, settings(**bounds), str(folder))


def test_a_variant_within_its_bounds_is_kept(exported):
    folder, report = exported
    assert report == {k: v for k, v in json.loads((folder / "export.json").read_text()).items() if k != "schema"}
    kept = {name for name, figures in report["variants"].items() if figures["kept"]}
    assert kept == {"float32", "dynamic_range", "int8", "int16x8"}
    assert {path.name for path in folder.glob("*.tflite")} == {f"{name}.tflite" for name in kept}
    for name in kept:
        assert (folder / f"{name}.tflite").stat().st_size == report["variants"][name]["bytes"]


def test_a_variant_out_of_its_bounds_is_left_out_and_says_where(exported):
    from hilir.components.exporter.export_report import summarize

    _, report = exported
    refused = report["variants"]["float16"]
    assert not refused["kept"]
    assert refused["files"] == []
    assert f"row {refused['parity']['row']} differs most" in refused["reasons"][0]
    assert any("float16: refused: row" in line for line in summarize(report))


def test_float_variants_take_raw_features_and_integer_ones_transformed(exported):
    folder, report = exported
    assert report["variants"]["float32"]["takes"] == "raw"
    inputs = report["variants"]["float32"]["signature"]["inputs"]
    assert inputs["payment"] == {"dtype": "string", "shape": [-1]}
    assert report["variants"]["int8"]["takes"] == "transformed"
    assert (folder / "preprocessing.json").exists()
    fare = report["variants"]["int8"]["signature"]["inputs"]["fare"]
    assert fare["dtype"] == "int8"
    assert fare["quantization"]["scale"] > 0
    output = report["variants"]["int8"]["signature"]["outputs"]["probability"]
    assert (output["dtype"], output["quantization"]["zero_point"]) == ("int8", -128)
    assert report["variants"]["int16x8"]["signature"]["inputs"]["fare"]["dtype"] == "float32"


def test_operators_and_fusions_are_reported_and_no_operator_is_tensorflows_own(exported):
    _, report = exported
    for figures in report["variants"].values():
        assert figures["operators"]["FULLY_CONNECTED"] == 2
        assert figures["fused"] == {"FULLY_CONNECTED+RELU": 1}
        assert not any(name.startswith("Flex") for name in figures["operators"])
    assert report["variants"]["float32"]["operators"]["HASHTABLE_FIND"] == 1


def test_every_variant_is_measured(exported):
    _, report = exported
    assert report["examples"] == 400
    for figures in report["variants"].values():
        assert 0 < figures["latency_ms"]["median"] <= figures["latency_ms"]["p95"]
        assert figures["load_ms"] > 0
        assert 0 < figures["gzipped_bytes"] < figures["bytes"]
        assert figures["ratio_to_saved_model"] == pytest.approx(
            figures["bytes"] / report["saved_model"]["bytes"], abs=1e-4
        )


def test_labels_travel_in_the_file(exported):
    from hilir.components.exporter.tflite.tflite_convert import read_metadata

    folder, _ = exported
    content = (folder / "float32.tflite").read_bytes()
    assert read_metadata(content) == {"model": "small", "labels": ["no", "yes"]}


def test_what_is_larger_or_slower_than_float32_is_said():
    from hilir.components.exporter.export_report import note_comparisons

    def figures(size, latency):
        return {"bytes": size, "latency_ms": {"median": latency}, "notes": []}

    variants = {"float32": figures(100, 1.0), "int8": figures(120, 2.0), "float16": figures(60, 1.01)}
    note_comparisons(variants)
    assert variants["int8"]["notes"] == [
        "larger than float32: 120 bytes against 100",
        "slower than float32: 2.000 ms against 1.000",
    ]
    assert variants["float16"]["notes"] == []
    assert variants["float32"]["notes"] == []
    fast = {"float32": figures(100, 0.0018), "int8": figures(50, 0.0024), "float16": figures(60, 0.0119)}
    note_comparisons(fast)
    assert fast["int8"]["notes"] == []
    assert fast["float16"]["notes"] == ["slower than float32: 0.012 ms against 0.002"]


def test_a_model_that_needs_tensorflows_own_operators_is_refused(tmp_path):
    import tensorflow as tf

    from hilir.components.exporter.tflite.tflite_convert import convert

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4], tf.float32, "x")])
    def cholesky(x):
        return {"y": tf.linalg.cholesky(x)}

    tf.saved_model.save(tf.Module(), str(tmp_path), signatures={"edge": cholesky})
    with pytest.raises(ExportError) as caught:
        convert(str(tmp_path), "float32")
    assert str(caught.value) == (
        "TensorFlow Lite float32: its own operators cannot do tf.Cholesky; use other operations in the model"
    )


def test_a_model_of_mostly_zeros_is_stored_sparsely(tmp_path):
    import numpy as np
    import tensorflow as tf

    from hilir.components.exporter.tflite.tflite_convert import convert, is_pruned

    def write(path: Path, share):
        weights = np.random.default_rng(0).normal(size=[256, 128]).astype(np.float32)
        weights *= np.random.default_rng(1).random(weights.shape) > share
        module = tf.Module()
        module.weights = tf.Variable(weights)
        function = tf.function(
            lambda x: {"y": tf.matmul(x, module.weights)},
            input_signature=[tf.TensorSpec([None, 256], tf.float32, "x")],
        )
        tf.saved_model.save(module, str(path), signatures={"edge": function})
        return str(path)

    assert not is_pruned(write(tmp_path / "dense", 0.0))
    pruned = write(tmp_path / "pruned", 0.8)
    assert is_pruned(pruned)
    assert len(convert(pruned, "float32", sparse=True)) < 0.6 * len(convert(pruned, "float32"))


def test_variants_that_cannot_be_converted_are_skipped_if_so_asked(subject, rows, tmp_path):
    from dataclasses import replace

    import tensorflow as tf

    from hilir.components.exporter.export_report import summarize
    from hilir.components.exporter.tflite.tflite_export import export_tflite
    from hilir.components.pusher.manifest import describe_export
    from tests.unit.components.exporter.conftest import write_model

    def extra(features):
        return tf.cast(tf.strings.length(tf.strings.as_string(features["fare"])), tf.float32)

    write_model(str(tmp_path / "model"), extra)
    (tmp_path / "export").mkdir()
    unconvertible = replace(subject, saved_model=str(tmp_path / "model"))
    arguments = (unconvertible, rows, settings(float32=LOOSE), str(tmp_path / "export"))
    with pytest.raises(ExportError) as caught:
        export_tflite(*arguments)
    report = export_tflite(*arguments, skip=True)
    assert report["variants"] == {}
    assert report["failed"] == {"float32": str(caught.value)}
    assert list(summarize(report)) == [f"tflite float32: skipped: {caught.value}"]
    described = describe_export(str(tmp_path / "export"))
    assert (described["variants"], described["refused"]) == ([], {"float32": [str(caught.value)]})


def test_a_model_without_the_signature_is_refused(tmp_path):
    import tensorflow as tf

    from hilir.components.exporter.edge_model import prepare

    function = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    tf.saved_model.save(tf.Module(), str(tmp_path / "m"), signatures={"serving_default": function})
    with pytest.raises(ExportError, match=r"no signature 'edge' \(it has serving_default\)"):
        prepare(str(tmp_path / "m"), str(tmp_path / "e"))


def test_no_examples_are_an_error(tmp_path):
    from hilir.components.exporter.example_rows import read_rows

    with pytest.raises(ExportError, match="holds no examples"):
        read_rows([str(tmp_path / "*")], 10)
