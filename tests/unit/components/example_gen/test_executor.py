"""The step: what it reads, what it writes on the artifact, and why it stops."""

import json

import pytest
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from hilir.components.errors import IngestError
from hilir.components.example_gen.component import Files, make_example_gen
from hilir.components.example_gen.executor import Executor
from hilir.components.example_gen.settings import ReadSettings

SHARES = {"train": 2, "eval": 1}


def run(folder, pattern="*.csv", splits=SHARES, resolved=None, **settings):
    """Runs the executor with the properties that the node has, after a driver."""
    shares = {name: share for name, share in splits.items() if isinstance(share, int)} or SHARES
    read = ReadSettings.model_validate({"splits": shares, **settings})
    node = make_example_gen(Files(str(folder), pattern), splits, read)
    properties = {
        name: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for name, value in node.exec_properties.items()
    }
    if resolved is not None:
        inputs = proto_utils.json_to_proto(properties["input_config"], example_gen_pb2.Input())
        inputs.splits[0].pattern = resolved
        properties["input_config"] = proto_utils.proto_to_json(inputs)
    examples = standard_artifacts.Examples()
    examples.uri = str(folder / "out")
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=unused"], tmp_dir=str(folder / "tmp")
    )
    Executor(context).Do({}, {"examples": [examples]}, properties)
    return examples


def write(folder, name, rows):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("n,s\n" + "".join(f"{row},x\n" for row in rows))


def test_the_artifact_says_what_was_read(tmp_path):
    write(tmp_path, "a.csv", range(300))
    write(tmp_path, "_SUCCESS.csv", [])
    examples = run(tmp_path)
    rows = json.loads(examples.get_string_custom_property("rows"))
    assert sum(rows.values()) == 300
    assert json.loads(examples.split_names) == ["train", "eval"]
    assert examples.get_string_custom_property("file_format") == "tfrecords_gzip"
    report = json.loads((tmp_path / "out" / "ingest.json").read_text())
    assert report["columns"]["n"] == {"kind": "int", "why": "all values are whole numbers"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"Split-train", "Split-eval", "ingest.json"}


def test_files_of_each_split_and_the_spans_of_a_window(tmp_path):
    write(tmp_path, "day-1/a.csv", range(100))
    write(tmp_path, "day-2/a.csv", range(100, 200))
    examples = run(tmp_path, "day-{SPAN}/*.csv", resolved="1\tday-1/*.csv\n2\tday-2/*.csv")
    assert sum(json.loads(examples.get_string_custom_property("rows")).values()) == 200
    assert json.loads(examples.get_string_custom_property("spans")) == [1, 2]
    by_files = run(tmp_path, splits={"train": "day-1/*", "eval": "day-2/*"})
    assert json.loads(by_files.get_string_custom_property("rows")) == {"train": 100, "eval": 100}


def test_splits_of_any_name_and_number(tmp_path):
    write(tmp_path, "a.csv", range(1000))
    examples = run(tmp_path, splits={"learn": 7, "watch": 2, "judge": 1})
    rows = json.loads(examples.get_string_custom_property("rows"))
    assert json.loads(examples.split_names) == ["learn", "watch", "judge"]
    assert sum(rows.values()) == 1000
    assert rows["learn"] > rows["watch"] > rows["judge"] > 0
    assert {path.name for path in (tmp_path / "out").glob("Split-*")} == {"Split-learn", "Split-watch", "Split-judge"}


def test_the_older_rows_are_those_to_train_on_in_whichever_order_the_splits_are_given(tmp_path):
    write(tmp_path, "a.csv", range(100))
    split = {"time": {"column": "n", "eval_after": 70}}
    for names in (("judge", "learn"), ("learn", "judge")):
        examples = run(tmp_path, splits=dict.fromkeys(names, 1), split=split, trained_on="learn")
        assert json.loads(examples.get_string_custom_property("rows")) == {"learn": 70, "judge": 30}


def test_rows_of_a_few_kinds_get_a_remedy(tmp_path):
    """sha256 puts these four on one side."""
    write(tmp_path, "a.csv", [0, 3, 4, 5] * 250)
    with pytest.raises(IngestError) as caught:
        run(tmp_path, splits={"train": 9, "eval": 1})
    assert str(caught.value) == (
        f"{tmp_path}: no row falls into the split eval (rows: 1000); equal rows stay together, and the rows have too "
        f"few different contents to be shared out: let them be on both sides (data.split.equal_rows: apart), "
        f"split by a column with more values (data.split.by; data.drop may leave it out then), by time "
        f"(data.split.time), or give a file for each split "
        f"(data.splits: {{train: 'train*', eval: 'eval*'}})"
    )


def test_too_few_rows(tmp_path):
    write(tmp_path, "a.csv", [0])
    with pytest.raises(IngestError, match=r"\(rows: 1\); give more rows or other data\.splits"):
        run(tmp_path, splits={"train": 9, "eval": 1})


def test_no_file(tmp_path):
    with pytest.raises(IngestError, match=r"no file matches data\.pattern '\*\.csv'; fix data\.path or data\.pattern"):
        run(tmp_path)


def test_a_sample_of_the_rows(tmp_path):
    write(tmp_path, "a.csv", range(3000))
    write(tmp_path, "b.csv", range(3000, 3010))
    examples = run(tmp_path, rows=100)
    assert sum(json.loads(examples.get_string_custom_property("rows")).values()) == 60
