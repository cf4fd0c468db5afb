"""Files that ingests are known to get wrong: each has the right value here, or a message that names the remedy."""

import pytest

from tests.unit.components.example_gen.conftest import values


def test_a_header_cell_over_two_lines(ingesting):
    path = ingesting.write('a,"two\nlines",c\n1,2,3\n4,5,6\n')
    assert ingesting.rows(path) == [{"a": [1], "c": [3], "two lines": [2]}, {"a": [4], "c": [6], "two lines": [5]}]
    assert ingesting.run(path).notes == [f"{path}: the header's 'two\\nlines' is read as 'two lines'"]


def test_line_ends_of_carriage_returns_alone(ingesting):
    path = ingesting.write(b'a,b\r1,x\r2,"y,\rz"\r')
    assert ingesting.rows(path) == [{"a": [1], "b": [b"x"]}, {"a": [2], "b": [b"y,\rz"]}]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16(ingesting, encoding):
    rows = "".join(f"{i},ü{i}\n" for i in range(300))
    path = ingesting.write(f"a,b\n{rows}".encode(encoding))
    settings = {"csv": {"encoding": encoding}} if encoding.endswith("e") else {}
    read = ingesting.rows(path, **settings)
    assert len(read) == 300
    assert read[60] == {"a": [60], "b": ["ü60".encode()]}


def test_utf16_that_does_not_say_so(ingesting):
    path = ingesting.write("a,b\n1,2\n".encode("utf-16-le"))
    assert ingesting.fault(path) == (
        f"{path}: contains NUL bytes, so it is not UTF-8 text; set data.csv.encoding, for example to utf-16-le"
    )


def test_a_byte_order_mark_is_no_part_of_the_first_name(ingesting):
    path = ingesting.write(b'\xef\xbb\xbf"a",b\n1,2\n')
    assert ingesting.rows(path) == [{"a": [1], "b": [2]}]


def test_ids_of_20_digits_keep_their_digits(ingesting):
    path = ingesting.write("id,n\n99999999999999999999,1\n99999999999999999998,2\n7,3\n")
    assert [row["id"] for row in ingesting.rows(path)] == [
        [b"99999999999999999999"], [b"99999999999999999998"], [b"7"],
    ]  # fmt: skip
    assert ingesting.run(path).notes == [
        "column 'id' is text: whole numbers of more than 64 bits, the first '99999999999999999999' (data.csv, row 1), "
        "would lose digits; if they are quantities, set 'data.columns: {id: float}'"
    ]
    assert ingesting.rows(path, columns={"id": "float"})[2] == {"id": [7.0], "n": [3]}


def test_spaces_after_delimiters(ingesting):
    path = ingesting.write("a, b, c\n1, 2, x y\n3, 4.5, z\n")
    assert ingesting.rows(path) == [{"a": [1], "b": [2.0], "c": [b"x y"]}, {"a": [3], "b": [4.5], "c": [b"z"]}]
    assert ingesting.run(path).notes == [
        f"{path}: the header's ' b' is read as 'b'",
        f"{path}: the header's ' c' is read as 'c'",
    ]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_what_stands_before_the_header_is_left_out(ingesting, codec):
    csv = {"delimiter": ";", "encoding": codec if codec == "cp1252" else "auto"}
    for preamble in ("sep=;\r\n", "# exported, 2026\n#\n\n", "SEP=;\n# Größe in m²\n"):
        path = ingesting.write(f"{preamble}a;ö\r\n1;x\r\n2;#y\r\n".encode(codec), f"{codec}.csv")
        ingested = ingesting.run(path, split="all", csv=csv)
        assert [values(record) for record in ingesting.records()] == [{"a": [1], "ö": [b"x"]}, {"a": [2], "ö": [b"#y"]}]
        assert [note for note in ingested.notes if "what stands before the header is left out" in note]
        ingesting.empty()


def test_a_bad_row_below_a_preamble_has_its_own_line(ingesting):
    path = ingesting.write("# one\n# two\na,b\n1,2\n1,2,3\n")
    assert ingesting.fault(path).startswith(f"{path}: row 2 (line 5) has 3 cells where the header has 2")


def test_a_header_may_begin_with_a_number_sign(ingesting):
    path = ingesting.write("# a comment\n#id,name\n1,x\n")
    assert ingesting.rows(path) == [{"#id": [1], "name": [b"x"]}]


def test_another_delimiter(ingesting):
    path = ingesting.write("a;b;c\n1;2,5;x\n")
    assert ingesting.fault(path) == (
        f"{path}: the header is one column, 'a;b;c'; if the file's columns are separated by ';', "
        f"set data.csv.delimiter: ';'"
    )
    assert ingesting.rows(path, csv={"delimiter": ";", "decimal": ","}) == [{"a": [1], "b": [2.5], "c": [b"x"]}]
    tabs = ingesting.write("a\tb\n1\t2\n", "data.tsv")
    assert ingesting.rows(tabs) == [{"a": [1], "b": [2]}]


def test_words_for_missing_values_among_numbers(ingesting):
    path = ingesting.write("n,s\n1,NA\nNA,x\n,NA\nNA,NA\n")
    assert ingesting.rows(path) == [{"n": [1], "s": [b"NA"]}, {"s": [b"x"]}, {"s": [b"NA"]}, {"s": [b"NA"]}]
    assert ingesting.run(path).notes == ["column 'n': 2 cells such as 'NA' are read as missing values"]
    given = ingesting.rows(path, csv={"nulls": ["NA", "x"]})
    assert given == [{"n": [1]}, {}, {}, {}]


def test_thousands_marks(ingesting):
    path = ingesting.write('n\n"1,004.5"\n12\n"2,000,000"\n')
    assert ingesting.fault(path) == (
        f"{path}: column 'n', row 1 (line 2) contains '1,004.5', a number with a comma; "
        f"set data.csv.thousands: ',', or 'data.columns: {{n: string}}' if it is a column of strings"
    )
    assert ingesting.rows(path, csv={"thousands": ","}) == [{"n": [1004.5]}, {"n": [12.0]}, {"n": [2000000.0]}]
    assert ingesting.rows(path, columns={"n": "string"})[0] == {"n": [b"1,004.5"]}


def test_decimal_commas(ingesting):
    path = ingesting.write("a;n\n1;1,5\n2;20,25\n")
    assert ingesting.fault(path, csv={"delimiter": ";"}) == (
        f"{path}: column 'n', row 1 (line 2) contains '1,5', a number with a comma; set data.csv.decimal: ',', "
        f"or 'data.columns: {{n: string}}' if it is a column of strings"
    )
    marks = {"delimiter": ";", "decimal": ",", "thousands": "."}
    path = ingesting.write("a;n\n1;1.004,5\n2;20,25\n3;7\n")
    assert [row["n"] for row in ingesting.rows(path, csv=marks)] == [[1004.5], [20.25], [7.0]]


@pytest.mark.parametrize(
    ("text", "kept", "share", "first"),
    [
        ("zip\n10001\n00501\n", ["10001", "00501"], "1 of 2", "00501' (data.csv, row 2)"),
        ("zip\n01067\nNA\n 0301234\n", ["01067", "NA", " 0301234"], "2 of 3", "01067' (data.csv, row 1)"),
        ("zip\n7\n00123456789012345678901\n", ["7", "00123456789012345678901"], "1 of 2", None),
        ("zip\n" + "01067\n" * 29 + "W1A\n", ["01067"] * 29 + ["W1A"], "29 of 30", "01067' (data.csv, row 1)"),
    ],
)
def test_codes_that_begin_with_zero_keep_their_digits(ingesting, text, kept, share, first):
    path = ingesting.write(text)
    assert [row["zip"] for row in ingesting.rows(path)] == [[each.encode()] for each in kept]
    ingested = ingesting.run(path)
    assert (ingested.columns["zip"].kind, ingested.columns["zip"].why) == (
        "string", f"{share} values begin with 0 and more digits",
    )  # fmt: skip
    first = first or "00123456789012345678901' (data.csv, row 2)"
    kind = "float" if "00123456789012345678901" in text else "int"
    assert ingested.notes == [
        f"column 'zip' is text: {share} values begin with 0 and more digits, the first '{first}, and would lose digits "
        f"as numbers; if they are quantities, set 'data.columns: {{zip: {kind}}}'"
    ]


def test_codes_in_one_of_several_files_are_text_in_all(ingesting):
    paths = [ingesting.write("zip\n10001\n", "a.csv"), ingesting.write("zip\n00501\n", "b.csv")]
    assert sorted(row["zip"][0] for row in ingesting.rows(*paths)) == [b"00501", b"10001"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("n\n-05\n03\n", [-5, 3]),
        ("n\n00.50\n07\n", [0.5, 7.0]),
        ("n\n0\n0.25\n", [0.0, 0.25]),
        ("n\n0\n10\n", [0, 10]),
    ],
)
def test_padded_numbers_and_zero_itself_are_numbers(ingesting, text, read):
    assert [row["n"] for row in ingesting.rows(ingesting.write(text))] == [[each] for each in read]


def test_codes_that_are_declared_numbers_are_numbers(ingesting):
    assert ingesting.rows(ingesting.write("n\n007\n12\n"), columns={"n": "int"}) == [{"n": [7]}, {"n": [12]}]


def test_all_columns_are_dropped(ingesting):
    path = ingesting.write("a,b,c\n1,2,\n")
    fault = "data.drop leaves out every column that has values; keep at least one for the examples"
    assert ingesting.fault(path, drop=["a", "b", "c"]) == fault
    assert ingesting.fault(path, drop=["a", "b"]) == fault
    assert ingesting.rows(path, drop=["a"]) == [{"b": [2]}]


def test_a_column_without_a_name(ingesting):
    assert ingesting.rows(ingesting.write("a,b,\n1,2,\n")) == [{"a": [1], "b": [2]}]
    assert ingesting.rows(ingesting.write(",a\n0,1\n1,5\n")) == [{"a": [1]}, {"a": [5]}]
    path = ingesting.write(",a\n0,1\nz,5\n")
    assert ingesting.fault(path) == (
        f"{path}: column '', row 2 (line 3): a column without a name has values; name the columns with "
        f"data.csv.names, or leave it out with data.drop: ['']"
    )
    assert ingesting.rows(path, drop=[""]) == [{"a": [1]}, {"a": [5]}]


# In the second file what follows the quote is longer than a block of the reader.
@pytest.mark.parametrize(("rows", "width"), [(3, 1), (12_000, 1000)])
def test_a_quote_that_is_never_closed(ingesting, rows, width):
    path = ingesting.write('a,b\n0,z\n1,"x\n' + f"2,{'y' * width}\n" * rows)
    assert ingesting.fault(path) == (
        f"{path}: row 2 has a quote that is never closed; correct the file, "
        f"or set data.csv.quote: null if quotes have no meaning in it"
    )
    assert ingesting.rows(path, csv={"quote": None})[1] == {"a": [1], "b": [b'"x']}


def test_quotes_within_cells_are_not_taken_for_open_ones(ingesting):
    path = ingesting.write('a,b\n1,5" pipe\n2,"x\ny"\n')
    assert ingesting.rows(path)[1] == {"a": [2], "b": [b"x\ny"]}


def test_escaped_quotes_and_no_header(ingesting):
    path = ingesting.write(b'1,"say \\"hi\\", then\nleave"\n2,x\n')
    settings = {"csv": {"escape": "\\", "names": ["n", "text"]}}
    assert ingesting.rows(path, **settings) == [
        {"n": [1], "text": [b'say "hi", then\nleave']},
        {"n": [2], "text": [b"x"]},
    ]


def test_columns_are_renamed_and_dropped(ingesting):
    path = ingesting.write("a,b,c\n1,2,3\n")
    assert ingesting.rows(path, rename={"a": "x"}, drop=["b"], columns={"x": "string"}) == [{"c": [3], "x": [b"1"]}]
    assert ingesting.run(path, rename={"a": "x"}, drop=["b"]).notes == [
        "column 'a' is named 'x' by data.rename",
        "column 'b' is left out by data.drop",
    ]
    assert ingesting.fault(path, drop=["d"]) == "data.drop names 'd', which no file has; the columns are a, b, c"
    assert ingesting.fault(path, rename={"d": "x"}).startswith("data.rename names 'd', which no file has")
    # A version was made with these settings: columns may be gone since.
    before = {"a": "int", "x": "int"}
    assert ingesting.run(path, drop=["comment"], rename={"d": "x"}, before=before).notes == [
        "column 'd' is named 'x' by data.rename",
        "column 'd' of data.rename is in no file",
        "column 'comment' of data.drop is in no file",
    ]
    long = ingesting.write("total,b\n1,2\n", "long.csv")
    assert ingesting.fault(long, drop=["totals"], before=before).startswith("data.drop names 'totals', which no file")
    assert "data.rename gives a second column the name 'b'" in ingesting.fault(path, rename={"a": "b"})


def test_infinity_by_its_long_name_is_a_number(ingesting):
    rows = ingesting.rows(ingesting.write("n\n1.5\n-Infinity\ninfinity\ninf\n"))
    assert [row["n"] for row in rows] == [[1.5], [float("-inf")], [float("inf")], [float("inf")]]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"PK\x03\x04\0\0", "is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\0\0", "is an old Excel workbook; save the sheet as CSV"),
        (b"\x1f\x8b\x08\0", "is compressed by gzip; let its name end in .gz"),
        (b"\x28\xb5\x2f\xfd\0", "is compressed by zstd; let its name end in .zst"),
        (b"BZh9", "is compressed by bzip2; let its name end in .bz2"),
        (b"ORC\0", "is an ORC file, a form that is not read; write it as Parquet"),
    ],
)
def test_a_file_that_is_no_text(ingesting, content, fault):
    path = ingesting.write(content)
    assert ingesting.fault(path) == f"{path}: {fault}"


def test_a_day_without_rows_among_others(ingesting):
    empty = ingesting.write("n,s\n", "day-1.csv")
    full = ingesting.write("n,s\n1,x\n", "day-2.csv")
    assert ingesting.rows(empty, full) == [{"n": [1], "s": [b"x"]}]
    ingesting.empty()
    assert f"{empty}: has a header and no rows" in ingesting.run(empty, full, split="all").notes
    assert ingesting.fault(empty) == f"{empty}: has a header and no rows; give a file with data"
