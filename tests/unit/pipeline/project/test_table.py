"""A file of rows as strings, whatever its form."""

import gzip
import json

import pandas as pd
import pytest

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.project import table_sample as module
from hilir.pipeline.project.table_sample import Marks, read_table

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


@pytest.mark.parametrize(
    ("content", "csv", "cells"),
    [
        ("Fläche;Preis, netto\n1,5;2\n2,5;3\n", {"delimiter": ";", "decimal": ","}, ["1.5", "2.5"]),
        ("a;b\n1.004,5;2\n2;3\n", {"delimiter": ";", "decimal": ",", "thousands": "."}, ["1004.5", "2"]),
        # One amount in twenty is above a thousand.
        (
            "a;b\n" + "7,5;2\n" * 19 + "1.004,5;2\n",
            {"delimiter": ";", "decimal": ",", "thousands": "."},
            ["7.5"] * 19 + ["1004.5"],
        ),
        ('a,b\n"1,004",2\n"2,500",3\n', {"thousands": ","}, ["1004", "2500"]),
        ("a\tb\n1\t2\n", {"delimiter": "\t"}, ["1"]),
        ("a|b\nx,y|2\n", {"delimiter": "|"}, ["x,y"]),
        ("a,b\n1.5,x;y\n", {}, ["1.5"]),
        ("sep=;\na;b\n1.5;x,y\n", {"delimiter": ";"}, ["1.5"]),
        ("# of, today, and more\n# 2\na;b\n1.5;x\n", {"delimiter": ";"}, ["1.5"]),
    ],
)
def test_delimiter_decimal_comma_and_thousands_are_found(tmp_path, content, csv, cells):
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8")
    table = read_table(path)
    assert table.csv == csv
    assert table.cells.iloc[:, 0].tolist() == cells


def test_an_encoding_can_be_given(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("Größe,b\n1,ü\n".encode("latin-1"))
    table = read_table(path, Marks(encoding="latin-1"))
    assert (list(table.cells), table.cells["b"].tolist(), table.csv) == (["Größe", "b"], ["ü"], {"encoding": "latin-1"})


def test_dates_and_booleans_of_parquet(tmp_path):
    frame = pd.DataFrame({"day": pd.to_datetime(["2024-02-29 10:11:12"]), "is_new": [True], "x": [1.5]})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.dates == ("day",)
    assert table.cells.iloc[0, 0].startswith("2024-02-29 10:11:12")
    assert table.cells.iloc[0, 1:].tolist() == ["1", "1.5"]


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
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "row 2 has 3 cells where the header has 2"),
        ("t.parquet", b"x", "t.parquet"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', "row 2"),
        ("t.tfrecord", b"x", "is a file of tfrecord; give CSV, Parquet, Feather or JSON Lines"),
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


@pytest.mark.parametrize(
    ("codec", "text", "wanted"),
    [
        ("utf-8", "größe,y\n1,ä\n", {}),
        ("utf-8-sig", "größe,y\n1,ä\n", {}),
        ("cp1252", "größe,y\n1,€\n", {"encoding": "cp1252"}),
        ("latin-1", "größe,y\n1,\x81\n", {"encoding": "latin-1"}),
        ("utf-16", "größe,y\n1,ä\n", {}),
    ],
)
def test_the_encoding_is_found(tmp_path, codec, text, wanted):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(codec))
    found = read_table(path)
    assert list(found.cells.columns) == ["größe", "y"]
    assert found.cells["y"].tolist() == [text.splitlines()[1][-1]]
    assert found.csv == wanted


def test_a_message_of_the_ingest_names_the_option(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,2\n".encode("utf-16-le"))
    with pytest.raises(ConfigError, match="type --encoding, for example to utf-16-le"):
        read_table(path)
