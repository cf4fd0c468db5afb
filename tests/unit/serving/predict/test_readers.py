"""Files of rows as the ingest reads them: fields of objects are columns."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilir.serving.errors import PredictError
from hilir.serving.predict.dialect import Dialect
from hilir.serving.predict.readers import open_source

ROWS = [{"n": 1, "user": {"age": 7, "at": {"city": "Zürich"}}, "more": 2}, {"n": 2, "user": None, "more": 3}]


def read(path, wanted):
    source = open_source(path, Dialect())
    columns = next(source.read(wanted))
    return source.names, {
        name: values.to_pylist() if isinstance(values, pa.Array) else list(values) for name, values in columns.items()
    }


def test_fields_of_objects_are_columns(tmp_path):
    lines, table = tmp_path / "rows.jsonl", tmp_path / "rows.parquet"
    lines.write_text("\n".join(map(json.dumps, ROWS)))
    pq.write_table(pa.Table.from_pylist(ROWS), table)
    expected = {"user.at.city": ["Zürich", None], "more": [2, 3], "user.age": [7, None]}
    for path in (lines, table):
        names, columns = read(path, ["user.at.city", "more", "user.age"])
        assert set(names) >= {"n", "user.age", "user.at.city", "more"}
        assert list(columns.items()) == list(expected.items())


def test_two_values_of_one_name_are_refused(tmp_path):
    lines, table = tmp_path / "rows.jsonl", tmp_path / "rows.parquet"
    lines.write_text('{"a.b": 1, "a": {"b": 2}}')
    pq.write_table(pa.table({"a.b": [1], "a": [{"b": 1}]}), table)
    with pytest.raises(PredictError, match=r"line 1 has 'a\.b' twice, as a column and within an object"):
        open_source(lines, Dialect())
    with pytest.raises(PredictError, match=r"has 'a\.b' twice, as a column and within a struct"):
        open_source(table, Dialect())


@pytest.mark.parametrize("preamble", ["", "sep=;\r\n", "# exported\n# 2026\n"])
def test_what_stands_before_the_header_is_left_out(tmp_path, preamble):
    path = tmp_path / "rows.csv"
    path.write_bytes(f"{preamble}a;b\n1;x\n2;#y\n".encode("utf-8-sig"))
    source = open_source(path, Dialect(delimiter=";"))
    assert list(source.names) == ["a", "b"]
    assert next(source.read(["b"]))["b"].to_pylist() == ["x", "#y"]
