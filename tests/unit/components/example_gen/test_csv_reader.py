import gzip

import pytest
import tensorflow as tf

from hilir.components.errors import IngestError
from hilir.components.example_gen.csv_reader import read_examples

HEADER = "miles,seconds,company\n"


def write(tmp_path, data: str | bytes, name: str = "data.csv") -> str:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def read(path: str, columns: dict[str, str] | None = None) -> list[dict[str, list]]:
    rows = []
    for _, serialized in read_examples(path, columns or {}):
        features = tf.train.Example.FromString(serialized).features.feature
        rows.append(
            {n: list(getattr(f, f.WhichOneof("kind")).value) for n, f in features.items() if f.WhichOneof("kind")}
        )
    return rows


def fault(path: str, columns: dict[str, str] | None = None) -> str:
    with pytest.raises(IngestError) as caught:
        read(path, columns)
    return str(caught.value)


def test_types_are_decided_by_the_whole_column_and_empty_cells_are_missing(tmp_path):
    path = write(tmp_path, HEADER + '1,60,"Blue, Inc"\n2.5,,Red\n,120,\n')
    assert read(path) == [
        {"miles": [1.0], "seconds": [60], "company": [b"Blue, Inc"]},
        {"miles": [2.5], "company": [b"Red"]},
        {"seconds": [120]},
    ]


def test_a_row_has_the_same_key_wherever_it_stands(tmp_path):
    first = write(tmp_path, HEADER + "1,60,a\n2,,b\n", "first.csv")
    second = write(tmp_path, "company,miles,seconds\nb,2,\nc,3,1\n", "second.csv")
    keys = [[key for key, _ in read_examples(path, {})] for path in (first, second)]
    assert keys == [[b"a\x1f1\x1f60", b"b\x1f2\x1f"], [b"b\x1f2\x1f", b"c\x1f3\x1f1"]]


def test_a_declared_type_wins(tmp_path):
    assert read(write(tmp_path, HEADER + "1,60,7\n"), {"miles": "string", "seconds": "float"}) == [
        {"miles": [b"1"], "seconds": [60.0], "company": [7]}
    ]


def test_a_gzipped_file_and_a_cell_over_two_lines(tmp_path):
    path = write(tmp_path, gzip.compress((HEADER + '1,60,"two\nlines"\n').encode()), "data.csv.gz")
    assert read(path) == [{"miles": [1], "seconds": [60], "company": [b"two\nlines"]}]


def test_a_column_without_any_value_is_left_out(tmp_path):
    assert read(write(tmp_path, HEADER + "1,,x\n2,,y\n")) == [
        {"miles": [1], "company": [b"x"]},
        {"miles": [2], "company": [b"y"]},
    ]


def test_a_ragged_row_is_named(tmp_path):
    path = write(tmp_path, HEADER + "1,60,a\n2,70\n3,80,b,c\n4,90,d\n")
    assert fault(path) == (
        f"{path}: row 2 has 2 cells where the header has 3 (2 such rows in all): '2,70'; fix or remove it"
    )


def test_a_wrong_value_in_row_10000_is_named(tmp_path):
    rows = [f"{i}.5,60,a" for i in range(1, 15001)]
    rows[9999] = "ten,60,a"
    path = write(tmp_path, HEADER + "\n".join(rows) + "\n")
    assert fault(path) == (
        f"{path}: column 'miles', row 10,000 contains 'ten', which is not a number like the column's other values; "
        f"fix the row, or set 'data.columns: {{miles: string}}' if it is a column of strings"
    )
    assert len(read(path, {"miles": "string"})) == 15000


def test_a_value_that_the_declared_type_refuses_is_named(tmp_path):
    path = write(tmp_path, HEADER + "1,60,a\n2,6o,b\n")
    assert "column 'seconds', row 2 contains '6o', which is not a number" in fault(path, {"seconds": "int"})


def test_a_byte_that_is_not_utf8_is_named(tmp_path):
    path = write(tmp_path, HEADER.encode() + b"1,60,a\n2,60,caf\xe9\n")
    assert fault(path) == (
        f"{path}: row 2 contains the byte 0xe9, which is not UTF-8; "
        f"save the file as UTF-8 (for example: iconv -f latin1 -t utf-8)"
    )


def test_a_header_without_rows(tmp_path):
    path = write(tmp_path, HEADER)
    assert fault(path) == f"{path}: has a header and no rows; give a file with data"


def test_an_empty_file(tmp_path):
    path = write(tmp_path, "\n")
    assert fault(path) == f"{path}: the file is empty; give a CSV file with a header and rows"


def test_a_header_with_a_name_twice(tmp_path):
    path = write(tmp_path, "a,b,a\n1,2,3\n")
    assert fault(path) == f"{path}: the header names 'a' more than once; rename the columns"


def test_a_declared_column_that_the_file_does_not_have(tmp_path):
    path = write(tmp_path, HEADER + "1,60,a\n")
    assert fault(path, {"mile": "float"}) == (
        f"{path}: data.columns names 'mile', which the file does not have; its columns are miles, seconds, company"
    )


def test_a_gzip_file_that_is_cut_off(tmp_path):
    path = write(tmp_path, gzip.compress((HEADER + "1,60,a\n" * 1000).encode())[:-20], "data.csv.gz")
    assert fault(path).startswith(f"{path}: is not a whole gzip file (")


def test_nan_in_a_column_of_numbers_is_a_missing_value(tmp_path):
    path = write(tmp_path, HEADER + "1.5,60,nan\nnan,NaN,Ann\n2.5,70,x\n")
    assert read(path) == [
        {"miles": [1.5], "seconds": [60], "company": [b"nan"]},
        {"company": [b"Ann"]},
        {"miles": [2.5], "seconds": [70], "company": [b"x"]},
    ]
