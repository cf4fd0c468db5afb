"""A file of rows as strings, whatever its form."""

import gzip
import json

import pandas as pd
import pytest

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.project import table as module
from hilir.pipeline.project.table import read_table

FRAME = pd.DataFrame({"a": [1.5, 2.0, None], "b b": ["x", None, "ä"], "n": [1, 2, 3]})
CELLS = {"a": ["1.5", "2.0", None], "b b": ["x", None, "ä"], "n": ["1", "2", "3"]}


def test_all_forms_give_the_same_cells(tmp_path):
    FRAME.astype({"a": object}).to_parquet(tmp_path / "t.parquet")
    lines = [json.dumps({k: v for k, v in row.items() if v == v and v is not None}) for row in FRAME.to_dict("records")]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    content = "a,b b,n\n1.5,x,1\n2.0,,2\n,ä,3\n"
    (tmp_path / "t.csv").write_text("\N{BYTE ORDER MARK}" + content, encoding="utf-8")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(content.encode()))
    for name in ("t.parquet", "t.jsonl", "t.csv", "t.csv.gz"):
        table = read_table(tmp_path / name)
        assert (table.cells.to_dict("list"), table.rows) == (CELLS, 3), name


def test_delimiter_and_decimal_comma_are_found(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("Fläche;Preis, netto\n1,5;2\n2,5;3\n", encoding="utf-8")
    table = read_table(path)
    assert (table.delimiter, table.decimal, list(table.cells)) == (";", ",", ["Fläche", "Preis, netto"])


def test_names_are_stripped_and_remembered(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(" a ,b\n1,2\n")
    assert read_table(path).raw_names == {"a": " a "}


def test_a_large_file_is_looked_at_all_over(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{n}\n" for n in range(1000)))
    table = read_table(path)
    assert table.rows == 1000
    assert 50 <= len(table.cells) <= 100
    assert int(table.cells["a"].iloc[-1]) > 950


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "the file is empty"),
        ("t.csv", b"a,b\n", "has no rows"),
        ("t.csv", b"a,a\n1,2\n", "names 'a' more than once"),
        ("t.csv", b"a,\n1,2\n", "column 2 has no name in the header"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "cannot be read as CSV"),
        (
            "t.csv",
            "a,b\n1,ä\n".encode("latin-1"),
            r"line 2 has the byte 0xe4, which is not UTF-8; convert it: iconv -f latin1",
        ),
        ("t.csv", "a,b\n1,2\n".encode("utf-16"), "is UTF-16, not UTF-8; convert it: iconv -f utf-16"),
        ("t.parquet", b"x", "is not a Parquet file"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', "line 2 is not a JSON object"),
        ("t.jsonl", b"{\n", "line 1 is not JSON"),
        ("t.xlsx", b"x", "the name has to end in .csv, .parquet or .jsonl"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_table(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        read_table(tmp_path / "t.csv")
