"""The same rows in each form are the same examples."""

import datetime
import json

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

ROWS = [
    {"n": 1, "x": 1.5, "s": "a", "many": [1, 2]},
    {"n": None, "x": None, "s": "ü", "many": []},
    {"n": 3, "x": float("nan"), "s": None, "many": None},
]
EXPECTED = [
    {"many": [1, 2], "n": [1], "s": [b"a"], "x": [1.5]},
    {"many": [], "s": ["ü".encode()]},
    {"n": [3]},
]


def table() -> pa.Table:
    found = pa.Table.from_pylist(ROWS)
    return found.set_column(2, "s", found["s"].dictionary_encode())


def test_parquet_with_groups_of_rows_dictionaries_and_lists(ingesting):
    path = str(ingesting.folder / "data.parquet")
    pq.write_table(table(), path, row_group_size=1)
    assert ingesting.rows(path) == EXPECTED
    columns = ingesting.run(path, split="all").columns
    assert {name: column.kind for name, column in columns.items()} == {
        "n": "int", "x": "float", "s": "string", "many": "int",
    }  # fmt: skip
    assert columns["n"].why == "the files' types are int64"


@pytest.mark.parametrize("compression", ["uncompressed", "zstd", "lz4"])
def test_feather(ingesting, compression):
    path = str(ingesting.folder / "data.feather")
    pyarrow.feather.write_feather(table(), path, compression=compression)
    assert ingesting.rows(path) == EXPECTED


def test_json_lines(ingesting):
    lines = "".join(json.dumps({k: v for k, v in row.items() if v == v}) + "\n" for row in ROWS)
    assert ingesting.rows(ingesting.write(lines + "\n", "data.jsonl")) == EXPECTED
    assert ingesting.rows(ingesting.write(lines, "data.ndjson.gz")) == EXPECTED
    path = ingesting.write('{"a": 1}\n{"a": 2\n[3]\n', "bad.jsonl")
    assert ingesting.fault(path) == (
        f"{path}: row 2 is not JSON (Expecting ',' delimiter: line 1 column 8 (char 7)): '{{\"a\": 2' "
        f"(2 such rows in all); fix or remove it, or set data.on_bad_rows: skip"
    )


def test_zstd(ingesting):
    path = ingesting.write(pa.compress(b"a,b\n1,2\n", "zstd", asbytes=True), "data.csv.zst")
    assert ingesting.rows(path) == [{"a": [1], "b": [2]}]


def test_times_are_microseconds_or_strings(ingesting):
    times = [datetime.datetime(1970, 1, 1, 0, 0, 1), None]
    days = [datetime.date(1970, 1, 2), datetime.date(2026, 11, 30)]
    path = str(ingesting.folder / "data.parquet")
    pq.write_table(pa.table({"t": pa.array(times, pa.timestamp("ms")), "d": pa.array(days)}), path)
    assert ingesting.rows(path)[0] == {"d": [86_400_000_000], "t": [1_000_000]}
    assert ingesting.rows(path, columns={"d": "string"})[1] == {"d": [b"2026-11-30"]}


def test_lists_of_objects_are_refused_unless_they_are_left_out(ingesting):
    path = str(ingesting.folder / "data.parquet")
    pq.write_table(pa.table({"a": [1], "l": [[{"x": 1}]], "s": [{"x": 1}]}), path)
    lines = ingesting.write('{"a": 1, "l": [{"x": 1}], "s": {"x": 1}}\n', "data.jsonl")
    for file, kind in ((path, "list<element: struct<x: int64>>"), (lines, "list<item: struct<>>")):
        assert ingesting.fault(file) == (
            f"{file}: column 'l' is a {kind}, which a tf.Example cannot contain; leave it out with data.drop, "
            f"or write it as columns of numbers, strings or lists"
        )
        assert ingesting.rows(file, drop=["l", "s"]) == [{"a": [1]}]
        ingesting.empty()


def test_fields_of_objects_are_columns(ingesting):
    rows = [
        {"user": {"age": 7, "at": {"city": "Zürich", "floors": [1, 2]}}, "n": 1},
        {"user": None, "n": 2},
        {"user": {"age": None, "at": None}, "n": 3},
    ]
    path = str(ingesting.folder / "data.parquet")
    pq.write_table(pa.Table.from_pylist(rows), path)
    lines = ingesting.write("\n".join(json.dumps(row) for row in rows), "data.jsonl")
    expected = [{"n": [1], "user.age": [7], "user.at.city": ["Zürich".encode()], "user.at.floors": [1, 2]}]
    for file in (path, lines):
        read = ingesting.rows(file, rename={"user.age": "age"})
        assert read[0] == {"age": [7]} | {name: each for name, each in expected[0].items() if name != "user.age"}
        assert [{name: value for name, value in row.items() if value} for row in read[1:]] == [{"n": [2]}, {"n": [3]}]
        ingesting.empty()


def test_objects_that_cannot_be_columns(ingesting):
    deep = "{" + '"a":{' * 40 + "}" * 41
    deeper = '{"a":' * 100_000 + "1" + "}" * 100_000
    for line, fault in (
        ('{"a.b": 1, "a": {"b": 2}}', "has 'a.b' twice, as a column and within an object; rename one"),
        (deep, "has objects that are nested more than 32 deep; flatten them"),
        (deeper, f"is not JSON (it is nested too deeply): {deeper[:80]!r}; fix or remove it"),
    ):
        file = ingesting.write(line, "data.jsonl")
        assert ingesting.fault(file) == f"{file}: row 1 {fault}, or set data.on_bad_rows: skip"
    path = str(ingesting.folder / "data.parquet")
    pq.write_table(pa.table({"a.b": [1], "a": [{"b": 1}]}), path)
    assert ingesting.fault(path) == f"{path}: has 'a.b' twice, as a column and within a struct; rename one"


def test_whole_numbers_beyond_64_bits_and_booleans(ingesting):
    path = str(ingesting.folder / "data.parquet")
    pq.write_table(pa.table({"u": pa.array([2**64 - 1, 1], pa.uint64()), "b": [True, False]}), path)
    assert ingesting.rows(path) == [{"b": [1], "u": [b"18446744073709551615"]}, {"b": [0], "u": [b"1"]}]


def test_one_type_for_files_of_several_forms(ingesting):
    pq.write_table(pa.table({"n": [1, 2]}), ingesting.folder / "a.parquet")
    csv = ingesting.write("n\n2.5\n", "b.csv")
    record = tf.train.Example()
    record.features.feature["n"].int64_list.value.append(7)
    with tf.io.TFRecordWriter(str(ingesting.folder / "c.tfrecord")) as writer:
        writer.write(record.SerializeToString())
    rows = ingesting.rows(str(ingesting.folder / "a.parquet"), csv, str(ingesting.folder / "c.tfrecord"))
    assert rows == [{"n": [1.0]}, {"n": [2.0]}, {"n": [2.5]}, {"n": [7.0]}]


def test_nan_as_the_only_value_of_a_record_is_missing(ingesting):
    path = str(ingesting.folder / "a.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for value in ([np.nan], [1.0], [np.nan, 2.0]):
            record = tf.train.Example()
            record.features.feature["x"].float_list.value.extend(value)
            record.features.feature["n"].int64_list.value.append(1)
            writer.write(record.SerializeToString())
    rows = ingesting.rows(path)
    assert rows[:2] == [{"n": [1]}, {"n": [1], "x": [1.0]}]
    assert np.isnan(rows[2]["x"][0])


def test_a_file_that_is_not_what_its_name_says(ingesting):
    path = ingesting.write("a,b\n1,2\n", "data.parquet")
    assert ingesting.fault(path).startswith(f"{path}: is not a Parquet file that can be read (")
    assert ingesting.fault(path).endswith("); write the file anew, or correct data.format")
    assert ingesting.rows(path, format="csv") == [{"a": [1], "b": [2]}]


def test_floats_of_16_bits(ingesting):
    path = str(ingesting.folder / "data.parquet")
    half = pa.array(np.array([1.5, 2.5], "float16"))
    pq.write_table(pa.table({"x": half, "many": pa.FixedSizeListArray.from_arrays(half, 1)}), path)
    assert ingesting.rows(path) == [{"many": [1.5], "x": [1.5]}, {"many": [2.5], "x": [2.5]}]


@pytest.mark.parametrize(
    "kind", [pa.timestamp("ns"), pa.timestamp("ns", "Asia/Jakarta"), pa.duration("ns"), pa.time64("ns")]
)
def test_nanoseconds_that_are_cut_are_noted(ingesting, kind):
    path = str(ingesting.folder / "t.parquet")
    times = pa.array([1_000_001_999, 1_000_002_000, None], pa.int64()).cast(kind)
    pq.write_table(
        pa.table({"t": times, "l": pa.array([[5, 1000], None, [7]], pa.list_(pa.int64())).cast(pa.list_(kind))}), path
    )
    assert ingesting.rows(path) == [{"l": [0, 1], "t": [1_000_001]}, {"t": [1_000_002]}, {"l": [0]}]
    assert ingesting.run(path).notes == [
        f"column '{name}': {count} times have nanoseconds, which are cut to whole microseconds; to keep them, "
        f"set 'data.columns: {{{name}: string}}'"
        for name, count in (("t", 1), ("l", 2))
    ]


def test_nanoseconds_of_a_declared_string_are_kept(ingesting):
    path = str(ingesting.folder / "t.parquet")
    pq.write_table(pa.table({"t": pa.array([1_000_001_999], pa.timestamp("ns"))}), path)
    assert ingesting.rows(path, columns={"t": "string"}) == [{"t": [b"1970-01-01 00:00:01.000001999"]}]
    assert ingesting.run(path, columns={"t": "string"}).notes == []
