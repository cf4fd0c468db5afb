"""Reads Parquet and Feather (Arrow IPC) files, some groups of rows at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hilir.analysis.objects import flatten_batch
from hilir.components.errors import IngestError
from hilir.components.example_gen.readers.batch import Piece, Rows, is_list
from hilir.components.example_gen.readers.streams import open_plain

_ROWS = 16_384
_KINDS = {"parquet": "Parquet", "feather": "Feather"}


def list_groups(path: str, form: str) -> list[int]:
    """Returns the bytes of each group of rows, from the file's footer alone.

    Raises:
        IngestError: the file is damaged or of another form.
    """
    with open_plain(path) as file:
        try:
            if form == "parquet":
                found = pq.read_metadata(file)
                return [found.row_group(index).total_byte_size for index in range(found.num_row_groups)]
            count = pa.ipc.open_file(pa.PythonFile(file, "r")).num_record_batches
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(path, form, error) from None
        return [file.seek(0, 2) // max(count, 1)] * count


def read_groups(piece: Piece, dropped: Collection[str] = ()) -> Iterator[Rows]:
    """Yields the rows of a piece; the fields of structs are columns, as `user.age`, but of those that are left out.

    Raises:
        IngestError: the file is damaged.
    """
    begin = 0
    with open_plain(piece.path) as file:
        try:
            for batch in _batches(piece, pa.PythonFile(file, "r")):
                batch = _without_halves(_flatten(batch, piece.path, dropped))
                yield Rows(batch, np.arange(begin, begin + batch.num_rows))
                begin += batch.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(piece.path, piece.form, error) from None


def _batches(piece: Piece, file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    if piece.form == "parquet":
        groups: Sequence[int] = range(piece.start, piece.end or 0)
        yield from pq.ParquetFile(file).iter_batches(batch_size=_ROWS, row_groups=list(groups), use_threads=False)
        return
    reader = pa.ipc.open_file(file)
    for index in range(piece.start, piece.end or 0):
        batch = reader.get_batch(index)
        for begin in range(0, batch.num_rows, _ROWS):
            yield batch.slice(begin, _ROWS)


def _flatten(batch: pa.RecordBatch, path: str, dropped: Collection[str]) -> pa.RecordBatch:
    try:
        return flatten_batch(batch, dropped)
    except ValueError as error:
        raise IngestError(f"{path}: {error}") from None


def _without_halves(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns the batch with floats of 16 bits as those of 32, which Arrow computes with."""
    kinds = [_widen(kind) for kind in batch.schema.types]
    if kinds == batch.schema.types:
        return batch
    columns = [column.cast(kind) for column, kind in zip(batch.columns, kinds, strict=True)]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _widen(kind: pa.DataType) -> pa.DataType:
    if is_list(kind) and pa.types.is_float16(kind.value_type):
        return pa.list_(pa.float32())
    return pa.float32() if pa.types.is_float16(kind) else kind


def _damaged(path: str, form: str, error: Exception) -> IngestError:
    return IngestError(
        f"{path}: is not a {_KINDS[form]} file that can be read ({str(error).splitlines()[0]}); write the file anew, "
        f"or correct data.format"
    )
