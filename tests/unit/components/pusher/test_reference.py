from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from hilir.analysis.reference import CategoryReference, NumberReference, from_json
from hilir.components.pusher.write_reference import NAME, summarize_examples, write_reference
from hilir.components.trainer.export.label_names import write_labels


def example(**features) -> bytes:
    made = tf.train.Example()
    for name, values in features.items():
        kind = "bytes_list" if any(isinstance(v, bytes) for v in values) else "float_list"
        kind = "int64_list" if values and all(isinstance(v, int) for v in values) else kind
        getattr(made.features.feature[name], kind).value.extend(values)
    return made.SerializeToString()


def write_rows(path: Path, rows: list[bytes]) -> list[str]:
    path.mkdir()
    for shard in range(2):
        with tf.io.TFRecordWriter(str(path / f"data-{shard}.gz"), tf.io.TFRecordOptions("GZIP")) as writer:
            for row in rows[shard::2]:
                writer.write(row)
    return [str(path / "*")]


def test_features_are_counted_with_what_is_missing():
    rows = [
        example(fare=[1.5], city=["Zürich".encode()], tags=[b"a", b"b"], hour=[3]),
        example(fare=[float("nan")], city=[b""], tags=[b""], hour=[4]),
        example(city=[b"\xff\xfe"], tags=[b"a"], hour=[5]),
        example(fare=[2.5], hour=[6]),
    ]
    found = summarize_examples(iter(rows))
    assert found["fare"] == NumberReference((2.5,), (1, 1), 1.5, 2.5, 4, 2, (1, 0, 0, 0, 0, 0, 0, 0, 0, 1))
    assert found["city"] == CategoryReference({"\\xff\\xfe": 1, "Zürich": 1}, 0, 4, 2)
    assert found["tags"] == CategoryReference({"a": 2, "b": 1}, 0, 4, 2)
    assert (found["hour"].low, found["hour"].high, found["hour"].missing) == (3, 6, 0)


def test_no_rows_have_no_features():
    assert summarize_examples(iter([])) == {}


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A version whose scores are known: two classes and a value, from the feature x."""

    class Doubles(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def __call__(self, examples):
            x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
            return {"scores": tf.concat([x, 1 - x], 1), "doubled": 2 * x, "said": tf.where(x > 0.5, "high", "low")}

    module = Doubles()
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"examples": module.__call__})
    return str(tmp_path / "model")


def test_the_file_has_training_data_and_predictions_of_the_evaluation_split(model, tmp_path):
    training = write_rows(tmp_path / "train", [example(x=[float(value)]) for value in range(101)])
    evaluation = write_rows(tmp_path / "eval", [example(x=[value]) for value in (0.1, 0.2, 0.9)])
    write_reference(model, training, evaluation)
    found = from_json(Path(model, "assets.extra", NAME).read_bytes())
    assert found.features["x"].counts == (10,) * 9 + (11,)
    assert sorted(found.predictions) == ["doubled", "said", "scores:largest", "scores[0]", "scores[1]"]
    assert found.predictions["doubled"].high == pytest.approx(1.8)
    assert found.predictions["said"].counts == {"low": 2, "high": 1}
    assert found.predictions["scores:largest"].counts == {"1": 2, "0": 1}


def write_answering_x(folder: Path, label: tf.DType) -> None:
    """A version that answers x where y is right."""

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def score(self, examples):
            return {"p": tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def label(self, examples):
            return {"y": tf.io.parse_example(examples, {"y": tf.io.FixedLenFeature([1], label)})["y"]}

    module = Model()
    tf.saved_model.save(module, str(folder), signatures={"examples": module.score, "label": module.label})


def test_a_regression_has_its_errors_on_the_evaluation_split(tmp_path):
    write_answering_x(tmp_path / "model", tf.float32)
    rows = [example(x=[float(x)], y=[float(x + (-1) ** x)]) for x in range(1000)]
    rows.append(example(x=[5.0], y=[float("nan")]))
    write_reference(str(tmp_path / "model"), write_rows(tmp_path / "train", rows), write_rows(tmp_path / "eval", rows))
    found = from_json(Path(tmp_path, "model/assets.extra", NAME).read_bytes()).quality
    assert (found.kind, found.output, found.label, found.rows) == ("regression", "p", "y", 1000)
    assert found.realised == {"mae": 1.0, "rmse": 1.0}


def test_a_classifier_has_its_quality_on_the_evaluation_split(tmp_path):
    write_answering_x(tmp_path / "model", tf.int64)
    rng = np.random.default_rng(2)
    scores = rng.beta(1, 1, 2000)
    rows = [example(x=[float(x)], y=[int(rng.random() < x)]) for x in scores]
    write_reference(str(tmp_path / "model"), write_rows(tmp_path / "train", rows), write_rows(tmp_path / "eval", rows))
    text = Path(tmp_path, "model/assets.extra", NAME).read_bytes()
    found = from_json(text).quality
    assert (found.kind, found.output, found.label, found.rows) == ("binary", "p", "y", 2000)
    assert found.realised["accuracy"] == pytest.approx(0.75, abs=0.03)
    assert found.estimated["auc"] == pytest.approx(found.realised["auc"], abs=0.02)
    assert len(text) < 4096


@pytest.mark.parametrize(
    ("judged", "expected"),
    [("sold", ("binary", "sold", "is sold")), ("price", ("regression", "price", "price")), (None, None), ("?", None)],
)
def test_of_several_outputs_the_judged_one_has_its_quality(tmp_path, judged, expected):
    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def answer(self, examples):
            x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
            return {"price": 1000.0 * x, "sold": x, "kind_classes": tf.where(x > 0.5, "a", "b")}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def label(self, examples):
            x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
            return {"price": 1000.0 * x + 3.0, "is sold": tf.cast(x > 0.4, tf.int64)}

    module = Model()
    folder = str(tmp_path / "model")
    tf.saved_model.save(module, folder, signatures={"examples": module.answer, "label": module.label})
    write_labels(folder, {"sold": "is sold", "price": "price"})
    rows = [example(x=[at / 1000]) for at in range(1000)]
    write_reference(folder, write_rows(tmp_path / "train", rows), write_rows(tmp_path / "eval", rows), judged)
    found = from_json(Path(folder, "assets.extra", NAME).read_bytes()).quality
    assert (found and (found.kind, found.output, found.label)) == expected
    if judged == "price":
        assert found.realised["mae"] == pytest.approx(3.0, abs=1e-3)
