"""Large CSV files are read in ranges of bytes that begin and end between rows, and come to the same as in one piece."""

import random

import pytest

from hilir.components.example_gen.readers.batch import Piece
from hilir.components.example_gen.readers.csv_file import read_csv
from hilir.components.example_gen.readers.ranges import cut, examine_block, list_blocks
from hilir.components.example_gen.settings import CsvSettings

CELLS = [
    "",
    "1",
    "x",
    "'",
    '""',
    '"a"',
    '"a,b"',
    '"two\nlines"',
    '"\r\n"',
    '"say ""hi"""',
    '""""',
    '"\n""\n,""\n"',
    "ü",
]


def find_ranges(path, data, block):
    places = list_blocks(0, len(data), block)
    return cut(0, len(data), [examine_block(path, begin, end, ",", '"') for begin, end in places])


def read(path, start=0, end=None):
    rows, bad = [], 0
    for batch in read_csv(Piece(path, "csv", 0, start, end, ("a", "b", "c")), CsvSettings()):
        rows += batch.table.to_pylist()
        bad += len(batch.bad)
    return rows, bad


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_ranges_contain_the_rows_of_the_whole_file(tmp_path, seed, line_end):
    """The ranges' bytes are the file's, each begins with a row, and their rows are the serial reader's."""
    chance = random.Random(seed)
    rows = [",".join(chance.choices(CELLS, k=3)) for _ in range(chance.randint(1, 60))]
    data = (line_end.join(rows) + chance.choice(["", line_end])).encode()
    path = str(tmp_path / "data.csv")
    (tmp_path / "data.csv").write_bytes(data)
    ranges = find_ranges(path, data, chance.randint(8, 200))
    assert ranges is not None
    assert b"".join(data[begin:end] for begin, end in ranges) == data
    whole, bad = read(path)
    parts = [read(path, begin, end) for begin, end in ranges]
    assert [row for part, _ in parts for row in part] == whole
    assert sum(count for _, count in parts) == bad


@pytest.mark.parametrize("seed", range(40))
def test_a_file_with_quotes_anywhere_is_cut_right_or_not_at_all(tmp_path, seed):
    chance = random.Random(seed)
    data = "".join(chance.choices(['"', "a", ",", "\n", 'b,"c\nd",e\n', "f,g,h\n"], k=80)).encode()
    path = str(tmp_path / "data.csv")
    (tmp_path / "data.csv").write_bytes(data)
    ranges = find_ranges(path, data, 25)
    if ranges is not None:
        parts = [read(path, begin, end) for begin, end in ranges]
        whole, bad = read(path)
        assert ([row for part, _ in parts for row in part], sum(count for _, count in parts)) == (whole, bad)


def test_a_quote_within_an_unquoted_cell_is_noticed(tmp_path):
    data = b'a 5" pipe,1,2\n' + b'x,"y\nz",3\n' * 10 + b'a 3" pipe,1,2\n'
    (tmp_path / "data.csv").write_bytes(data)
    assert find_ranges(str(tmp_path / "data.csv"), data, 40) is None


def test_a_large_file_is_cut_and_read_in_full(ingesting):
    """Rows of several pieces: counted, with quoted line ends, and a mistake has the right row and line."""
    rows = [f'{i},"a, ""{i}""\nb",{i % 7}.5\n' for i in range(600_000)]
    path = ingesting.write("n,text,x\n" + "".join(rows))
    ingested = ingesting.run(path, drop=["text"])
    assert sum(ingested.rows.values()) == 600_000
    files = list((ingesting.folder / "out" / "train").iterdir())
    assert len(files) == 3
    rows[500_000] = '500000,"a",7.5,8\n'
    path = ingesting.write("n,text,x\n" + "".join(rows))
    assert f"{path}: row 500,001 (line 1,000,002) has 4 cells where the header has 3" in ingesting.fault(path)


def test_the_same_rows_have_the_same_split_whatever_the_files(ingesting):
    rows = [f'{i},"t {i}",{i % 7}.5' for i in range(4000)]
    one = ingesting.write("n,text,x\n" + "\n".join(rows) + "\n")
    ingesting.run(one)
    alone = set(ingesting.records("train"))
    for file in (ingesting.folder / "out" / "train").iterdir():
        file.unlink()
    parts = [
        ingesting.write("x,n,text\n" + "\n".join(f"{x},{n},{t}" for n, t, x in (row.split(",") for row in part)), name)
        for name, part in (("a.csv", rows[:900]), ("b.csv", rows[900:]))
    ]
    ingesting.run(*parts)
    assert {len(record) for record in alone}
    from tests.unit.components.example_gen.conftest import values

    numbers = {values(record)["n"][0] for record in alone}
    assert {values(record)["n"][0] for record in ingesting.records("train")} == numbers
