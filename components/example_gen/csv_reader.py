"""Reads CSV files into tf.Examples; a value's type is decided by its whole column."""

from __future__ import annotations

import csv as python_csv
import gzip
import zlib
from collections.abc import Iterator, Mapping
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from tfx.dsl.io import fileio
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from hilir.components.errors import IngestError

_ARROW = {"int": pa.int64(), "float": pa.float64(), "string": pa.string()}
_EXAMPLE = {"int": pa.int64(), "float": pa.float32(), "string": pa.binary()}

# A column in which at most this share of the values are not numbers is taken for a column of numbers with
# mistakes in it, not for a column of strings.
_MISTAKES = 0.05


def read_examples(path: str, columns: Mapping[str, str], rows: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Yields each row of the file as its key and a serialized tf.Example; an empty cell is a missing value.

    The key is the row's text, in the order of the columns' names: the same row has the same key in every process, where
    the serialized example has its features in another order each time.

    Args:
        path: a CSV file with a header, plain or gzipped, local or on an object store.
        columns: the types of columns where the values alone do not tell: `int`, `float` or `string`.
        rows: how many rows to yield, spread over the file; None: all of them. The types are those of all rows.

    Raises:
        IngestError: a ragged row, a byte that is not UTF-8, no rows, or a value of the wrong type.
    """
    table = _read_texts(path)
    unknown = sorted(set(columns) - set(table.column_names))
    if unknown:
        raise IngestError(
            f"{path}: data.columns names {_listed(unknown)}, which the file does not have; "
            f"its columns are {', '.join(table.column_names)}"
        )
    if table.num_rows == 0:
        raise IngestError(f"{path}: has a header and no rows; give a file with data")
    arrays, names = [], []
    for name in table.column_names:
        array = _typed(path, name, table[name].combine_chunks(), columns.get(name))
        if array is not None:
            arrays.append(array)
            names.append(name)
    encoder = RecordBatchToExamplesEncoder()
    typed = pa.table(arrays, names=names)
    if rows is not None and rows < table.num_rows:
        chosen = [index * table.num_rows // rows for index in range(rows)]
        table, typed = table.take(chosen), typed.take(chosen)
    keys = _keys(table)
    batches = typed.to_batches(max_chunksize=10_000)
    examples = chain.from_iterable(encoder.encode(batch) for batch in batches)
    yield from zip(keys, examples, strict=True)


def _keys(table: pa.Table) -> Iterator[bytes]:
    columns = [pc.fill_null(table[name], "") for name in sorted(table.column_names)]
    for text in pc.binary_join_element_wise(*columns, "\x1f"):
        yield text.as_buffer().to_pybytes()


def _read_texts(path: str) -> pa.Table:
    """Returns every cell as text, empty cells as null."""
    try:
        return _parse(path, csv.ParseOptions(newlines_in_values=True), use_threads=True)
    except pa.ArrowInvalid as error:
        raise IngestError(_explain(path, str(error))) from None


def _parse(path: str, options: csv.ParseOptions, *, use_threads: bool) -> pa.Table:
    data = _read_bytes(path)
    if not data.strip():
        raise IngestError(f"{path}: the file is empty; give a CSV file with a header and rows")
    names = next(python_csv.reader([data.split(b"\n", 1)[0].decode("utf-8-sig", "replace")]))
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise IngestError(f"{path}: the header names {_listed(doubled)} more than once; rename the columns")
    return csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(use_threads=use_threads),
        parse_options=options,
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=True,
        ),
    )


def _read_bytes(path: str) -> bytes:
    with fileio.open(path, "rb") as file:
        data: bytes = file.read()
    try:
        return gzip.decompress(data) if path.endswith(".gz") else data
    except (OSError, EOFError, zlib.error) as error:
        raise IngestError(f"{path}: is not a whole gzip file ({error}); write the file anew") from None


def _explain(path: str, message: str) -> str:
    """Says what is wrong with the file and in which row, which Arrow's own message does not always tell."""
    bad: list[csv.InvalidRow] = []

    def note(row: csv.InvalidRow) -> str:
        bad.append(row)
        return "skip"

    try:
        _parse(path, csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note), use_threads=False)
    except pa.ArrowInvalid as error:
        message = str(error)
    if bad:
        row = bad[0]
        number = f"row {row.number - 1:,}" if row.number else "a row"
        more = f" ({len(bad):,} such rows in all)" if len(bad) > 1 else ""
        return (
            f"{path}: {number} has {row.actual_columns} cells where the header has {row.expected_columns}{more}: "
            f"{row.text[:80]!r}; fix or remove it"
        )
    if "UTF8" in message:
        return _explain_encoding(path)
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in message)
    return f"{path}: is not a CSV file that can be read: {shown}; correct the file"


def _explain_encoding(path: str) -> str:
    for number, line in enumerate(_read_bytes(path).splitlines()):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return (
                f"{path}: row {number:,} contains the byte 0x{line[error.start]:02x}, which is not UTF-8; "
                f"save the file as UTF-8 (for example: iconv -f latin1 -t utf-8)"
            )
    return f"{path}: is not UTF-8 text; save it as UTF-8"


def _typed(path: str, name: str, texts: pa.StringArray, declared: str | None) -> pa.ListArray | None:
    """Returns the column as lists of no or one value each, or None where no row has a value."""
    texts = _without_nan(texts) if declared != "string" else texts
    present = texts.drop_null()
    if len(present) == 0 and declared is None:
        return None
    kinds = [declared] if declared else ["int", "float", "string"]
    for kind in kinds:
        if kind == "string":
            _refuse_mistakes(path, name, texts, present, declared)
        try:
            values = pc.cast(present, _ARROW[kind])
        except pa.ArrowInvalid:
            continue
        lengths = pc.cast(pc.is_valid(texts), pa.int32())
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
        return pa.ListArray.from_arrays(offsets, values.cast(_EXAMPLE[kind]), mask=pc.is_null(texts))
    raise IngestError(_wrong_value(path, name, texts, declared or "float"))


def _without_nan(texts: pa.StringArray) -> pa.StringArray:
    """Returns the cells of a column of numbers with `NaN` as what it is everywhere else: a missing value."""
    is_nan = pc.match_substring_regex(texts, r"^[+-]?[nN][aA][nN]$")
    if not pc.any(is_nan).as_py() or not pc.all(pc.fill_null(_is_number(texts), fill_value=True)).as_py():
        return texts
    return pc.if_else(pc.fill_null(is_nan, fill_value=False), pa.scalar(None, pa.string()), texts)


def _refuse_mistakes(
    path: str, name: str, texts: pa.StringArray, present: pa.StringArray, declared: str | None
) -> None:
    if declared or len(present) < 1 / _MISTAKES:
        return
    wrong = len(present) - _count_numbers(present)
    if 0 < wrong <= _MISTAKES * len(present):
        raise IngestError(_wrong_value(path, name, texts, "float"))


def _is_number(texts: pa.StringArray) -> pa.BooleanArray:
    pattern = r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|[nN][aA][nN]|[iI][nN][fF])$"
    return pc.match_substring_regex(texts, pattern)


def _count_numbers(present: pa.StringArray) -> int:
    return int(pc.sum(_is_number(present)).as_py())


def _wrong_value(path: str, name: str, texts: pa.StringArray, kind: str) -> str:
    row, text = next((row, text) for row, text in enumerate(texts.to_pylist(), start=1) if not _fits(text, kind))
    return (
        f"{path}: column '{name}', row {row:,} contains '{text}', which is not a number like the column's other "
        f"values; fix the row, or set 'data.columns: {{{name}: string}}' if it is a column of strings"
    )


def _fits(text: str | None, kind: str) -> bool:
    try:
        pc.cast(pa.array([text], pa.string()), _ARROW[kind])
    except pa.ArrowInvalid:
        return False
    return True


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
