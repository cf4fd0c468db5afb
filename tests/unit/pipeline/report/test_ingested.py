"""What a run shows of its data: types, reasons, notes, spans."""

import json

from hilir.pipeline.report.ingested import read_notes, write_details
from hilir.pipeline.report.run_records import ArtifactRecord
from hilir.pipeline.report.step_figures import describe


def examples(tmp_path, **properties):
    return {"examples": ArtifactRecord(str(tmp_path), "Examples", properties)}


def test_types_reasons_and_notes(tmp_path):
    columns = {
        "miles": {"kind": "float", "why": "2 of 3 values have decimals"},
        "a\x1b[1m": {"kind": None, "why": "no row has a value"},
    }
    report = {"columns": columns, "notes": ["column 'a\x1b[1m' is left out"], "skipped": 0}
    (tmp_path / "ingest.json").write_text(json.dumps(report))
    assert list(write_details(examples(tmp_path))) == [
        "miles     float   2 of 3 values have decimals",
        "a\\x1b[1m  -       no row has a value",
        "note: column 'a\\x1b[1m' is left out",
    ]
    assert read_notes(examples(tmp_path)) == ["column 'a\\x1b[1m' is left out"]


def test_many_columns_are_counted(tmp_path):
    columns = {f"c{number}": {"kind": "int", "why": "all values are whole numbers"} for number in range(150)}
    (tmp_path / "ingest.json").write_text(json.dumps({"columns": columns, "notes": []}))
    lines = list(write_details(examples(tmp_path)))
    assert len(lines) == 101
    assert lines[-1] == f"and 50 more columns, in {tmp_path}/ingest.json"


def test_examples_of_another_step_have_no_details(tmp_path):
    assert list(write_details(examples(tmp_path))) == []
    assert list(write_details({})) == []
    assert list(write_details(examples("gs://bucket/examples"))) == []


def test_spans_and_rows_left_out_are_figures(tmp_path):
    rows = json.dumps({"train": 2, "eval": 1})
    assert describe(examples(tmp_path, rows=rows, spans="[3, 4]", span=4, skipped=7)) == {
        "rows": {"train": 2, "eval": 1}, "rows left out": 7, "spans": "3, 4",
    }  # fmt: skip
    assert describe(examples(tmp_path, rows=rows, spans="[4]", span=4)) == {"rows": {"train": 2, "eval": 1}, "span": 4}
    many = json.dumps(list(range(5, 30)))
    assert describe(examples(tmp_path, spans=many, span=29)) == {"spans": "5 … 29"}
