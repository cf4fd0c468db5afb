"""Exports of real runs: pushed with their version, equal to the SavedModel, runnable without TensorFlow."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.pipeline

ROOT = Path(__file__).resolve().parents[3]


def read_all(place, model):
    from hilir.components.exporter.example_rows import read_rows

    (split,) = (place.root / "pipelines" / model / "ExampleGen" / "examples").glob("*/Split-eval")
    return read_rows([str(split / "*")], 100_000)


def test_the_run_pushes_exports_with_the_number_of_the_version(digits_run):
    place, result = digits_run
    folder = place.models / "digits" / "exports" / str(result["version"]) / "tflite"
    assert {path.name for path in folder.iterdir()} == {"export.json", "float32.tflite", "int8.tflite"}
    manifest = json.loads((Path(result["version_path"]) / "manifest.json").read_text())
    entry = manifest["exports"]["tflite"]
    assert entry["variants"] == ["float32", "int8"]
    for name, described in entry["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == described["sha256"]
    assert result["exports"]["tflite"]["kept"] == ["float32", "int8"]


def test_int8_is_a_third_of_float32_and_loses_at_most_a_hundredth(digits_run):
    place, _ = digits_run
    report = json.loads((place.models / "digits" / "exports" / "1" / "tflite" / "export.json").read_text())
    int8, plain = report["variants"]["int8"], report["variants"]["float32"]
    assert int8["bytes"] <= 0.33 * plain["bytes"]
    assert int8["parity"]["metric_loss"] <= 0.01
    assert plain["parity"]["difference"] < 1e-5
    assert int8["signature"]["inputs"]["image"]["dtype"] == "int8"
    assert report["labels"] == [str(digit) for digit in range(10)]


def test_a_variant_out_of_bounds_is_not_pushed_and_the_summary_names_the_row(digits_run):
    place, _ = digits_run
    result = place.run(
        "configs/digits.yaml", "--set", f"data.path={place.root}/data",
        "--set", "export.tflite.bounds.int8.difference=1.0e-6",
    )  # fmt: skip
    assert result["exports"]["tflite"]["kept"] == ["float32"]
    assert "int8: refused: row" in "\n".join(result["exports"]["tflite"]["variants"])
    folder = place.models / "digits" / "exports" / str(result["version"]) / "tflite"
    assert not (folder / "int8.tflite").exists()
    manifest = json.loads((Path(result["version_path"]) / "manifest.json").read_text())
    assert "differs most" in manifest["exports"]["tflite"]["refused"]["int8"][0]


def test_preprocessing_json_gives_every_evaluation_row_what_transform_gives(taxi_run, tmp_path):
    from hilir.components.exporter.edge_model import prepare
    from hilir.components.exporter.expected_answers import raw_inputs
    from hilir.components.exporter.tflite.tflite_convert import convert
    from hilir.components.exporter.tflite.tflite_file import TFLiteModel
    from hilir.components.exporter.transform.interpreter import transform
    from hilir.components.exporter.transform.transform_program import Program

    place, result = taxi_run
    rows = read_all(place, "taxi")
    assert len(rows.serialized) > 4_500
    edge = prepare(result["version_path"], str(tmp_path))
    specs = edge.loaded.signatures["serving_default"].structured_input_signature[1]
    columns = rows.columns({name: specs[name] for name in edge.program.inputs})
    assert columns["company"].count(None) > 1_000
    words = set(edge.program.vocabularies["company"])
    columns["company"][:2] = ["a cab that nobody knows", "出租车"]
    assert not {"a cab that nobody knows", "出租车"} & words
    found = transform(Program.from_json(edge.program.to_json()), columns)
    expected = edge.loaded.signatures["transform_features"](examples=rows.tensor())
    for name, values in found.items():
        np.testing.assert_array_equal(values[2:], expected[name].numpy()[2:], err_msg=name)
    assert found["company"][:2].tolist() == [[len(words)], [len(words)]]
    model = TFLiteModel(convert(edge.raw, "float32"))
    (answers,) = edge.loaded.signatures["examples"](examples=rows.tensor()).values()
    mine = model.predict(raw_inputs(edge, rows))["probability"]
    np.testing.assert_allclose(mine, answers.numpy(), atol=1e-5)


def test_a_pushed_version_is_exported_by_a_command(taxi_run):
    place, _ = taxi_run
    done = place.hilir("export", "tflite", "1", "configs/taxi.yaml", "--variant", "float32", "--variant", "int8")
    assert done.returncode == 0, done.stderr
    folder = place.models / "taxi" / "exports" / "1" / "tflite"
    assert {path.name for path in folder.iterdir()} == {
        "export.json", "float32.tflite", "int8.tflite", "preprocessing.json",
    }  # fmt: skip
    manifest = json.loads((place.models / "taxi" / "1" / "manifest.json").read_text())
    assert manifest["exports"]["tflite"]["variants"] == ["float32", "int8"]
    table = place.hilir("export", "bench", "1", "configs/taxi.yaml").stdout
    assert "tflite float32" in table
    assert "tflite int8" in table
    missing = place.hilir("export", "bench", "99", "configs/taxi.yaml")
    assert missing.returncode == 3
    assert "version 99 does not exist" in missing.stderr


def test_an_unblessed_model_is_not_exported(digits_run, tmp_path):
    from tfx.types import standard_artifacts

    from hilir.components.exporter import component
    from hilir.components.exporter.artifact import ModelExport

    blessing = standard_artifacts.ModelBlessing()
    blessing.set_int_custom_property("blessed", 0)
    export = ModelExport()
    export.uri = str(tmp_path / "export")
    function = component.TFLiteExporter.EXECUTOR_SPEC.executor_class._FUNCTION
    function(
        model=standard_artifacts.Model(),
        blessing=blessing,
        examples=standard_artifacts.Examples(),
        tflite=export,
        settings="{}",
    )
    assert not Path(export.uri).exists()


@pytest.fixture(scope="module")
def edge_python():
    """Python with ai-edge-litert and numpy only: what a small device has."""
    subprocess.run([str(ROOT / "scripts" / "setup.sh"), "edge"], check=True, timeout=300)
    return str(ROOT / ".venv-edge" / "bin" / "python")


def test_a_device_without_tensorflow_classifies_the_digits(digits_run, edge_python):
    place, result = digits_run
    import tensorflow as tf

    rows = read_all(place, "digits")
    signatures = tf.saved_model.load(result["version_path"]).signatures
    specs = signatures["serving_default"].structured_input_signature[1]
    images = rows.columns(specs)["image"]
    labels = signatures["label"](examples=rows.tensor())["label"].numpy()[:, 0]
    model = place.models / "digits" / "exports" / "1" / "tflite" / "int8.tflite"
    absent = subprocess.run([edge_python, "-c", "import tensorflow"], capture_output=True, text=True, check=False)
    assert "No module named 'tensorflow'" in absent.stderr
    done = subprocess.run(
        [edge_python, str(ROOT / "deploy" / "mobile" / "classify.py"), str(model)],
        input="\n".join(map(json.dumps, images)), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(images)
    expected = signatures["examples"](examples=rows.tensor())["probabilities"].numpy()
    accuracy = np.mean([int(answer["label"]) == label for answer, label in zip(answers, labels, strict=True)])
    assert accuracy >= np.mean(expected.argmax(axis=1) == labels) - 0.01
    mine = np.array([answer["probabilities"] for answer in answers])
    assert np.abs(mine - expected).max() < 0.25


def test_a_device_without_tensorflow_takes_words(taxi_run, edge_python, tmp_path):
    import tensorflow as tf

    from hilir.components.exporter.edge_model import prepare
    from hilir.components.exporter.tflite.tflite_convert import convert

    place, result = taxi_run
    rows = read_all(place, "taxi")
    edge = prepare(result["version_path"], str(tmp_path / "edge"))
    (tmp_path / "float32.tflite").write_bytes(convert(edge.raw, "float32"))
    specs = tf.saved_model.load(edge.raw).signatures["edge"].structured_input_signature[1]
    arrays = rows.arrays(specs)
    np.savez(tmp_path / "rows.npz", **{n: a.astype("U") if a.dtype == object else a for n, a in arrays.items()})
    script = (
        "import sys, numpy as np\n"
        "from ai_edge_litert.interpreter import Interpreter\n"
        "rows = dict(np.load(sys.argv[2]))\n"
        "rows = {n: np.char.encode(a, 'utf-8').astype(object) if a.dtype.kind == 'U' else a for n, a in rows.items()}\n"
        "runner = Interpreter(model_path=sys.argv[1]).get_signature_runner('edge')\n"
        "np.save(sys.argv[3], runner(**rows)['probability'])\n"
    )
    paths = [str(tmp_path / name) for name in ("float32.tflite", "rows.npz", "out.npy")]
    subprocess.run([edge_python, "-c", script, *paths], check=True, timeout=120)
    (expected,) = edge.loaded.signatures["examples"](examples=rows.tensor()).values()
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("variant", ["int8", "float32"])
def test_a_program_in_c_classifies_the_digits(digits_run, edge_python, tmp_path, variant):
    import shutil

    import tensorflow as tf

    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (Debian, Ubuntu: apt-get install gcc libc6-dev)")
    place, result = digits_run
    program = tmp_path / "classify"
    source = ROOT / "deploy" / "mobile" / "classify.c"
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source, "-ldl", "-lm"], check=True)
    (library,) = (ROOT / ".venv-edge").glob("lib/python3.*/site-packages/ai_edge_litert/libLiteRt.so")
    signatures = tf.saved_model.load(result["version_path"]).signatures
    rows = read_all(place, "digits")
    images = rows.columns(signatures["serving_default"].structured_input_signature[1])["image"]
    expected = signatures["examples"](examples=rows.tensor())["probabilities"].numpy()
    model = place.models / "digits" / "exports" / "1" / "tflite" / f"{variant}.tflite"
    for image, probabilities in list(zip(images, expected, strict=True))[:20]:
        text = " ".join(str(pixel) for pixel in image)
        done = subprocess.run([program, library, model], input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        top, *shares = done.stdout.split()
        np.testing.assert_allclose(
            [float(share) for share in shares], probabilities, atol=0.2 if variant == "int8" else 1e-5
        )
        assert int(top) == int(np.argmax([float(share) for share in shares]))
    short = subprocess.run([program, library, model], input="1 2 3", capture_output=True, text=True, timeout=60)
    assert short.returncode == 1
    assert "fewer than 64 numbers" in short.stderr
