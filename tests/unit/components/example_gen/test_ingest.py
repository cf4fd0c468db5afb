"""What becomes of CSV files: values, types, faults."""

import gzip
import json

import pytest

HEADER = "miles,seconds,company\n"


def test_types_are_decided_by_the_whole_column_and_empty_cells_are_missing(ingesting):
    path = ingesting.write(HEADER + '1,60,"Blue, Inc"\n2.5,,Red\n,120,\n')
    assert ingesting.rows(path) == [
        {"miles": [1.0], "seconds": [60], "company": [b"Blue, Inc"]},
        {"miles": [2.5], "company": [b"Red"]},
        {"seconds": [120]},
    ]


def test_a_declared_type_wins(ingesting):
    path = ingesting.write(HEADER + "1,60,7\n")
    assert ingesting.rows(path, columns={"miles": "string", "seconds": "float"}) == [
        {"miles": [b"1"], "seconds": [60.0], "company": [7]}
    ]


def test_a_gzipped_file_and_a_cell_over_two_lines(ingesting):
    path = ingesting.write(HEADER + '1,60,"two\nlines"\n', "data.csv.gz")
    assert ingesting.rows(path) == [{"miles": [1], "seconds": [60], "company": [b"two\nlines"]}]


def test_a_column_without_any_value_is_left_out(ingesting):
    path = ingesting.write(HEADER + "1,,x\n2,,y\n")
    assert ingesting.rows(path) == [{"miles": [1], "company": [b"x"]}, {"miles": [2], "company": [b"y"]}]
    assert ingesting.run(path).notes == ["column 'seconds' is left out: no row has a value"]


def test_one_type_for_all_files(ingesting):
    january = ingesting.write(HEADER + "1,60,7\n2,61,8\n", "january.csv")
    february = ingesting.write("miles,company,extra\n3.5,x7,1\n", "february.csv")
    assert ingesting.rows(january, february) == [
        {"miles": [1.0], "seconds": [60], "company": [b"7"]},
        {"miles": [2.0], "seconds": [61], "company": [b"8"]},
        {"miles": [3.5], "company": [b"x7"], "extra": [1]},
    ]
    ingested = ingesting.run(january, february)
    assert ingested.columns["miles"].kind == "float"
    assert ingested.columns["miles"].why == "1 of 3 values have decimals, the first '3.5' (february.csv, row 1)"
    assert ingested.notes == [
        "column 'company' is text: 1 of 3 values are not numbers, the first 'x7' (february.csv, row 1)"
    ]


def test_nan_in_a_column_of_numbers_is_a_missing_value(ingesting):
    path = ingesting.write(HEADER + "1.5,60,nan\nnan,NaN,Ann\n2.5,70,x\n")
    assert ingesting.rows(path) == [
        {"miles": [1.5], "seconds": [60], "company": [b"nan"]},
        {"company": [b"Ann"]},
        {"miles": [2.5], "seconds": [70], "company": [b"x"]},
    ]


def test_a_ragged_row_is_named(ingesting):
    path = ingesting.write(HEADER + '1,60,"a\nb"\n2,70\n3,80,b,c\n4,90,d\n')
    assert ingesting.fault(path) == (
        f"{path}: row 2 (line 4) has 2 cells where the header has 3: '2,70' (2 such rows in all); fix or remove it, "
        f"or set data.on_bad_rows: skip"
    )


def test_a_wrong_value_in_row_10000_is_named(ingesting):
    rows = [f"{i}.5,60,a" for i in range(1, 15001)]
    rows[9999] = "ten,60,a"
    path = ingesting.write(HEADER + "\n".join(rows) + "\n")
    assert ingesting.fault(path) == (
        f"{path}: column 'miles', row 10,000 (line 10,001) contains 'ten', which is not a number like the column's "
        f"other values; fix the row, or set 'data.columns: {{miles: string}}' if it is a column of strings"
    )
    assert len(ingesting.rows(path, columns={"miles": "string"})) == 15000


def test_a_value_that_the_declared_type_refuses_is_named(ingesting):
    path = ingesting.write(HEADER + "1,60,a\n2,6o,b\n")
    fault = ingesting.fault(path, columns={"seconds": "int"})
    assert "column 'seconds', row 2 (line 3) contains '6o', which is not a number" in fault


def test_a_byte_that_is_not_utf8_is_named(ingesting):
    path = ingesting.write(HEADER.encode() + b"1,60,a\n2,60,caf\xe9\n")
    assert ingesting.fault(path) == (
        f"{path}: row 2 (line 3) column 'company' contains the byte 0xe9, which is not UTF-8; set data.csv.encoding "
        f"(for example to latin-1), or save the file as UTF-8, or set data.on_bad_rows: skip"
    )
    assert ingesting.rows(path, csv={"encoding": "latin-1"})[1]["company"] == ["café".encode()]


def test_a_header_without_rows(ingesting):
    path = ingesting.write(HEADER)
    assert ingesting.fault(path) == f"{path}: has a header and no rows; give a file with data"


def test_an_empty_file(ingesting):
    path = ingesting.write("\n")
    assert ingesting.fault(path) == f"{path}: the file is empty; give a CSV file with a header and rows"


@pytest.mark.parametrize(("name", "fact"), [
    ("day-1.csv", "the file is empty"), ("day-1.csv.gz", "the file is empty"), ("day-1.parquet", "the file is empty"),
    ("day-1.feather", "the file is empty"), ("day-1.jsonl", "has no rows"), ("day-1.tfrecord", "has no records"),
])  # fmt: skip
def test_an_empty_file_among_others_is_left_out_and_named(ingesting, name, fact):
    empty, full = ingesting.write(b"", name), ingesting.write("n\n1\n")
    done = ingesting.run(empty, full, split="all")
    assert (done.rows, done.notes) == ({"all": 1}, [f"{empty}: {fact}"])
    assert ingesting.fault(empty).startswith(f"{empty}: {fact}; give a ")


def test_a_header_with_a_name_twice(ingesting):
    path = ingesting.write("a,b,a\n1,2,3\n")
    assert ingesting.fault(path) == f"{path}: the header names 'a' more than once; rename the columns"


def test_a_declared_column_that_no_file_has(ingesting):
    path = ingesting.write(HEADER + "1,60,a\n")
    assert ingesting.fault(path, columns={"mile": "float"}) == (
        "data.columns names 'mile', which no file has; the columns are miles, seconds, company"
    )
    before = {"mile": "float", "miles": "float"}
    assert ingesting.run(path, split="all", columns={"mile": "float"}, before=before).notes == [
        "column 'mile' of data.columns is in no file"
    ]
    ingesting.empty()
    other = ingesting.write("mile\n2\n", "other.csv")
    assert ingesting.rows(path, other, columns={"mile": "float"})[1] == {"mile": [2.0]}


def test_a_gzip_file_that_is_cut_off(ingesting):
    path = ingesting.write(gzip.compress((HEADER + "1,60,a\n" * 1000).encode())[:-20], "data.csv.gz")
    assert ingesting.fault(path).startswith(f"{path}: is not a whole gzip file (")


def test_rows_that_cannot_be_read_are_left_out_and_counted(ingesting):
    rows = [f"{i}.5,60,a" for i in range(1000)]
    rows[3] = "3.5,60"
    rows[500] = "five hundred,60,a"
    rows[700] = "700.5,60,caf\udce9"
    path = ingesting.write((HEADER + "\n".join(rows) + "\n").encode(errors="surrogateescape"))
    ingested = ingesting.run(path, split="all", on_bad_rows="skip")
    assert (ingested.rows, ingested.skipped) == ({"all": 997}, 3)
    read = [values["miles"][0] for values in ingesting.rows(path, on_bad_rows="skip")]
    assert read == [i + 0.5 for i in range(1000) if i not in (3, 500, 700)]
    assert ingesting.fault(path, on_bad_rows="skip", max_bad_rows=0.001) == (
        "2 of 1,000 rows cannot be read, which is more than data.max_bad_rows: 0.001 allows; correct the files "
        "(data.on_bad_rows: error names the first row), or raise data.max_bad_rows"
    )


def test_a_column_is_as_wide_as_for_the_version_before(ingesting):
    path = ingesting.write("size,code,count,gone\n1,4,7,\n2,5,8,\n")
    before = {"size": "float", "code": "string", "count": "int", "gone": "float"}
    (first, _) = ingesting.rows(path, before=before)
    assert first == {"size": [1.0], "code": [b"4"], "count": [7]}
    columns = ingesting.run(path, split="other", before=before).columns
    assert {name: (column.kind, column.why) for name, column in columns.items()} == {
        "size": ("float", "as for the version before; all values are whole numbers"),
        "code": ("string", "as for the version before"),
        "count": ("int", "all values are whole numbers"),
        "gone": (None, "no row has a value"),
    }
    ingesting.empty()
    # What is declared counts, and a column that is wider now is another one.
    wide = ingesting.write("size,code,count\n1,4,7.5\n", "wide.csv")
    assert ingesting.rows(wide, columns={"code": "int", "size": "int"}, before=before) == [
        {"size": [1], "code": [4], "count": [7.5]}
    ]


@pytest.mark.parametrize("form", ["rows.jsonl", "rows.tfrecord"])
def test_numbers_of_typed_files_are_as_wide_too(ingesting, form):
    import tensorflow as tf

    example = tf.train.Example()
    example.features.feature["size"].int64_list.value.append(3)
    example.features.feature["code"].int64_list.value.append(4)
    if form.endswith("jsonl"):
        path = ingesting.write('{"size": 3, "code": 4}\n', form)
    else:
        path = str(ingesting.folder / form)
        with tf.io.TFRecordWriter(path) as writer:
            writer.write(example.SerializeToString())
    assert ingesting.rows(path, before={"size": "float", "code": "string"}) == [{"size": [3.0], "code": [b"4"]}]


WHOLE = {"csv": "n;a\n69,0;1\n;2\n-7,00;3\n8;4\n", "parquet": [69.0, None, -7.0, 8.0], "jsonl": [69.0, None, -7.0, 8]}


@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.parametrize("declared", [False, True])
def test_whole_numbers_with_a_point_are_those_of_the_version_before_or_as_declared(ingesting, form, declared):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, kept = str(ingesting.folder / f"rows.{form}"), {}
    if form == "csv":
        path, kept = ingesting.write(WHOLE[form]), {"csv": {"delimiter": ";", "decimal": ","}}
    elif form == "parquet":
        pq.write_table(pa.table({"n": WHOLE[form], "a": [1, 2, 3, 4]}), path)
    else:
        path = ingesting.write(
            "".join(json.dumps({"n": n, "a": a}) + "\n" for a, n in enumerate(WHOLE[form], 1)), "rows.jsonl"
        )
    whole = {"columns": {"n": "int"}} if declared else {"before": {"n": "int"}}
    rows = ingesting.rows(path, **kept, **whole)
    assert sorted(((row.get("n"), row["a"]) for row in rows), key=lambda row: row[1]) == [
        ([69], [1]), (None, [2]), ([-7], [3]), ([8], [4]),
    ]  # fmt: skip
    ingesting.empty()
    assert ingesting.rows(path, **kept)[0]["n"] == [69.0], "without either they are floats, as the file has them"


@pytest.mark.parametrize("fraction", ["0.5", "1e-1", "1e300", "9007199254740994.0"])
def test_one_number_that_is_not_whole_makes_the_column_float(ingesting, fraction):
    path = ingesting.write("n,a\n69.0,1\n2,2\n" + f"{fraction},3\n")
    assert ingesting.run(path, before={"n": "int"}).columns["n"].kind == "float"
    assert ingesting.fault(path, columns={"n": "int"}).endswith(
        f"column 'n', row 3 (line 4) contains '{fraction}', which is not a whole number of 64 bits like the column's "
        "other values; fix the row, or set 'data.columns: {n: float}' if it may have decimals"
    )


@pytest.mark.parametrize("form", ["rows.jsonl", "rows.tfrecord"])
def test_a_list_of_another_length_than_before_is_left_out_if_bad_rows_are(ingesting, form):
    import tensorflow as tf

    rows = [[1.0, 2.0, 3.0], [], [4.0, 5.0], [6.0, 7.0, 8.0]]
    path = str(ingesting.folder / form)
    if form.endswith("jsonl"):
        lines = [{"wave": row or None, "at": at} for at, row in enumerate(rows)]
        ingesting.write("".join(json.dumps(line) + "\n" for line in lines), form)
    else:
        with tf.io.TFRecordWriter(path) as writer:
            for at, row in enumerate(rows):
                example = tf.train.Example()
                example.features.feature["at"].int64_list.value.append(at)
                if row:
                    example.features.feature["wave"].float_list.value.extend(row)
                writer.write(example.SerializeToString())
    skipping = {"before": {"wave": "float"}, "lengths": {"wave": 3}, "on_bad_rows": "skip", "max_bad_rows": 0.5}
    kept = ingesting.rows(path, **skipping)
    assert [(row["at"], row["wave"]) for row in kept] == [([0], rows[0]), ([3], rows[3])]
    ingesting.empty()
    assert ingesting.run(path, split="all", **skipping).skipped == 2
    assert "2 of 4 rows cannot be read" in ingesting.fault(path, **skipping | {"max_bad_rows": 0.1})
    ingesting.empty()
    assert len(ingesting.rows(path, **skipping | {"on_bad_rows": "error"})) == 4, "the gate says what to do"
