"""`hilir predict` on real files and a real SavedModel: in any form the same, and what a real server answers."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from click.testing import CliRunner

from hilir.pipeline.cli.main import cli
from hilir.pipeline.config import load
from hilir.pipeline.engine.beam_predict import score_on_workers
from hilir.serving.errors import PredictError, ServingConfigError
from hilir.serving.predict.choice import choose_version
from hilir.serving.predict.scoring import Request, predict_file
from hilir.serving.releases.release_store import Store
from tests.integration.serving.server_process import running

CLASSES = ["Adélie", "Chin strap", "Gentoo"]
ROWS = 9000
COLUMNS = ["Länge (mm)", "age", "island", "tags"]


class Penguins(tf.Module):
    """Three scores from a float, a whole number, a string, and several strings a row."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, "length"),
            tf.TensorSpec([None], tf.int64, "age"),
            tf.TensorSpec([None], tf.string, "island"),
            tf.TensorSpec([None, None], tf.string, "tags"),
        ]
    )
    def serve(self, length, age, island, tags):
        given = tf.where(tf.math.is_nan(length), 0.5, length)
        years = tf.where(age < -1000, -3.0, tf.cast(age, tf.float32))
        letters = tf.cast(tf.strings.length(island), tf.float32) + tf.reduce_sum(
            tf.cast(tf.not_equal(tags, ""), tf.float32), axis=1
        )
        scores = tf.nn.softmax(tf.stack([given, years / 10, letters / 3], axis=1))
        return {"species": scores, "classes": tf.tile(tf.constant([CLASSES]), [tf.shape(scores)[0], 1])}


def save(folder: Path) -> Path:
    """Writes a version as hilir pushes it: with the data's names, and a manifest."""
    from hilir.components.trainer.export.safe_names import NamedFunction
    from hilir.components.trainer.export.safe_names import save as save_model

    module = Penguins()
    function = module.serve.get_concrete_function()
    names = {"length": "Länge (mm)", "age": "age", "island": "island", "tags": "tags"}
    save_model(module, str(folder), {"serving_default": NamedFunction(function, names)})
    (folder / "manifest.json").write_text(json.dumps({"classes": {"species": CLASSES}}))
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("models")
    save(root / "penguins" / "1")
    save(root / "penguins" / "2")
    return root


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    random = np.random.default_rng(1)
    made = []
    for index in range(ROWS):
        row = {
            "id": f"{index:05d}",
            "Länge (mm)": round(float(random.normal()), 3),
            "age": int(random.integers(0, 9)),
            "island": str(random.choice(["Torgersen", "Bis;coe", 'Dre"am', "Mörk"])),
            "tags": str(random.choice(["a", "b", ""])),
        }
        if index % 7 == 0:
            row["Länge (mm)"] = row["age"] = None
        made.append(row)
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory, rows) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    table = pa.Table.from_pylist(rows)
    arrow_csv.write_csv(table, folder / "rows.csv")
    lists = table.set_column(table.column_names.index("tags"), "tags", pa.array([[row["tags"]] for row in rows]))
    pq.write_table(lists, folder / "rows.parquet")
    lines = [orjson.dumps({name: value for name, value in row.items() if value is not None}) for row in rows]
    (folder / "rows.jsonl").write_bytes(b"\n".join(lines))
    return {path.suffix[1:]: path for path in folder.iterdir()}


def request(root: Path, file: Path, out: Path, *keep: str) -> Request:
    return Request("penguins", 1, root / "penguins" / "1", file, out, keep)


def ask(root: Path, rows: list[dict]) -> np.ndarray:
    """Returns what a real server answers, over REST: scores by class."""
    instances = [{name: row[name] for name in COLUMNS} | {"tags": [row["tags"]]} for row in rows]
    with running(root=str(root), enable_model_warmup=False) as client:
        answer = client.post("penguins:predict", {"instances": instances})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["classes"] == CLASSES
    return np.array([row["species"] for row in answer.json()["predictions"]])


def test_each_form_has_the_answers_of_the_server_class_by_class(root, rows, files, tmp_path):
    expected = ask(root, rows)
    for form, file in files.items():
        out = tmp_path / f"{form}.parquet"
        assert predict_file(request(root, file, out, "id")) == ROWS
        table = pq.read_table(out)
        assert table.column_names == ["id", "class", *(f"species_{name}" for name in CLASSES)]
        assert table["id"].to_pylist() == [row["id"] for row in rows]
        found = np.stack([table[f"species_{name}"].to_numpy() for name in CLASSES], axis=1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
        assert table["class"].to_pylist() == [CLASSES[index] for index in expected.argmax(axis=1)]


def test_the_written_forms_agree(root, rows, files, tmp_path):
    csv, lines, parquet = tmp_path / "out.csv", tmp_path / "out.jsonl.gz", tmp_path / "out.parquet"
    for out in (csv, lines, parquet):
        predict_file(request(root, files["csv"], out, "id", "island"))
    read = pq.read_table(parquet)
    strings = arrow_csv.ConvertOptions(column_types={"id": pa.string()})
    as_csv = arrow_csv.read_csv(csv, convert_options=strings)
    objects = [json.loads(line) for line in gzip.decompress(lines.read_bytes()).splitlines()]
    for name in ("id", "island", "class"):
        assert read[name].to_pylist() == as_csv[name].to_pylist() == [row[name] for row in objects]
    for name in CLASSES:
        values = read[f"species_{name}"].to_numpy()
        np.testing.assert_array_equal(as_csv[f"species_{name}"].to_numpy().astype(np.float32), values)
        np.testing.assert_array_equal(np.array([row[f"species_{name}"] for row in objects], np.float32), values)
    assert csv.read_text(encoding="utf-8").splitlines()[1].startswith("00000,")


CELLS = {
    'id,Länge (mm),age,island,tags\n1,"3,5",2,x,y\n': "row 1 contains '3,5', which is not a number",
    "id,Länge (mm),age,island,tags\n1,3,2,x,y\n2,3,2.5,x,y\n": "row 2 contains '2.5', which is not a whole number",
    "id,Länge (mm),age,island\n1,3,2,x\n": "has no column 'tags', which penguins version 1 takes",
    "id,Länge (mm),age,island,tags\n": "has no rows",
    "": "the file is empty",
    "id,id,age,island,tags\n1,3,2,x,y\n": "the header names 'id' more than once",
    "id,Länge (mm),age,island,tags\n1,3,2,x\n": "cannot be read",
}


@pytest.mark.parametrize("content", CELLS, ids=list(CELLS.values()))
def test_what_the_model_cannot_take_is_named_and_nothing_is_written(root, tmp_path, content):
    file, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(PredictError, match=re.escape(CELLS[content])):
        predict_file(request(root, file, out))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_whole_numbers_may_have_a_point_and_gaps(root, tmp_path):
    """As pandas writes a column of whole numbers with gaps."""
    file, out = tmp_path / "rows.csv", tmp_path / "out.jsonl"
    head = "Länge (mm),age,island,tags\n"
    file.write_text(f"{head}1.5,4.0,x,\nNaN,,x,\n1.5,4,x,\nnan,NaN,x,\n", encoding="utf-8")
    predict_file(request(root, file, out))
    first, second, third, fourth = [json.loads(line) for line in out.read_text().splitlines()]
    assert first == third
    assert second == fourth != first


def test_the_dialect_of_the_configuration(root, tmp_path):
    """The same rows with other marks, an encoding, spelled gaps and spaces in the header."""
    file, config = tmp_path / "rows.csv", tmp_path / "penguins.yaml"
    file.write_bytes("Länge  (mm) ;age;island;tags\n1.000,5;4;Mörk;\nNA;?;NA;\n".encode("latin-1"))
    config.write_text(
        f"model: {{name: penguins}}\nserving: {{root: {root}}}\n"
        "data: {csv: {delimiter: ';', decimal: ',', thousands: '.', encoding: latin-1}}\n"
    )
    plain, out, other = tmp_path / "plain.csv", tmp_path / "out.csv", tmp_path / "other.csv"
    plain.write_text("Länge (mm),age,island,tags\n1000.5,4,Mörk,\n,,NA,\n", encoding="utf-8")
    arguments = ["predict", "1", str(file), "--out", str(out), "--keep", "island", "--config", str(config)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    predict_file(request(root, plain, other, "island"))
    assert out.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")


@pytest.fixture
def config(root, tmp_path) -> Path:
    config = tmp_path / "penguins.yaml"
    config.write_text(
        f"model: {{name: penguins, package: json}}\nserving: {{root: {root}}}\ndata: {{path: {tmp_path}}}\n"
        "beam: {workers: 2}\nevaluate: {metrics: [{name: auc, class: AUC}], thresholds: [{metric: auc, min: 0.5}]}\n"
    )
    return config


@pytest.mark.parametrize(("runner", "form"), [("local", "csv"), ("multiprocess", "jsonl"), ("multiprocess", "parquet")])
def test_beam_s_workers_write_what_is_written_without_them(root, files, config, tmp_path, runner, form):
    out, plain = tmp_path / "out.csv", tmp_path / "plain.csv"
    arguments = ["predict", "1", str(files[form]), "--out", str(out), "--keep", "id", "--config", str(config)]
    done = subprocess.run(
        [sys.executable, "-m", "hilir.pipeline.cli", *arguments, "--runner", runner],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert predict_file(request(root, files[form], plain, "id")) == ROWS
    assert out.read_bytes() == plain.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "penguins.yaml", "plain.csv"]


def test_a_row_that_beam_s_workers_refuse_is_named_and_nothing_is_written(root, config, tmp_path):
    file, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    rows = "".join(f"{number},3,{2.5 if number == 9000 else 2},x,y\n" for number in range(1, 9500))
    file.write_text(f"id,Länge (mm),age,island,tags\n{rows}", encoding="utf-8")
    loaded = load(config)
    with pytest.raises(PredictError, match=re.escape("column 'age', row 9,000 contains '2.5'")):
        predict_file(request(root, file, out), elsewhere=lambda each: score_on_workers(each, loaded.config))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["penguins.yaml", "rows.csv"]


def test_the_command_prints_what_it_did(root, files, tmp_path):
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(cli, ["predict", str(files["csv"]), "--out", str(out), "--root", str(root)])
    assert done.exit_code == 0, done.output
    assert f"{out}: 9,000 rows predicted by penguins version 2, " in done.output
    done = CliRunner().invoke(
        cli, ["predict", str(files["csv"]), "--out", str(out), "--keep", "x", "--root", str(root)]
    )
    assert "has no column 'x'; its columns are id, Länge (mm), age, island, tags" in str(done.exception)


def test_a_version_is_chosen_by_name_number_or_both(root):
    store = Store(root)
    assert choose_version(store, None, None).version == 2
    assert choose_version(store, None, "1").folder == root / "penguins" / "1"
    assert choose_version(store, None, "penguins/1").version == 1
    assert choose_version(store, None, "penguins").version == 2
    for word, message in {
        "3": "there is no version 3; there are: 1, 2",
        "cats": "there is no model cats; there are: penguins",
        "penguins/x": "'penguins/x' is neither MODEL, VERSION nor MODEL/VERSION",
    }.items():
        with pytest.raises(ServingConfigError, match=message):
            choose_version(store, None, word)
