"""What workers do with a task: examine blocks, look at the values, write the examples.

Only tasks, which are small, go to workers; what a worker finds goes into a file in the folder of findings, and
examples go to their splits' folders.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tfx.dsl.io import fileio
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from hilir.components.errors import IngestError
from hilir.components.example_gen import splits
from hilir.components.example_gen.column_evidence import Evidence, kind_of, observe_texts, observe_values
from hilir.components.example_gen.column_types import Column
from hilir.components.example_gen.convert import convert
from hilir.components.example_gen.readers.batch import BadRow, Piece, Rows, is_list
from hilir.components.example_gen.readers.file_forms import dialect_of, read_piece
from hilir.components.example_gen.readers.ranges import examine_block
from hilir.components.example_gen.settings import ReadSettings
from hilir.components.example_gen.times import Histogram, read_times

# The fastest level: the files are read a few times and never leave the pipeline's folder.
_OPTIONS = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
# How many rows that cannot be read are described.
_DESCRIBED = 20


@dataclass(frozen=True)
class Task:
    """Some pieces for one worker.

    Attributes:
        index: the task's number.
        pieces: with their numbers among all pieces.
        split: the split of all rows; None: each row has its own.
        firsts: for each piece, the number of its first row in its file, where that is known.
        totals: for each piece, the rows of its file.
    """

    index: int
    pieces: tuple[tuple[int, Piece], ...]
    split: str | None = None
    firsts: tuple[int, ...] = ()
    totals: tuple[int, ...] = ()


class Step(Protocol):
    """What is done with a task; it can be pickled."""

    def __call__(self, task: Any) -> dict[str, Any]:
        """Returns what it found, which JSON can express.

        Raises:
            IngestError: the data cannot be read.
        """
        ...


class RunTask(beam.DoFn):
    """Does a step with each task and writes down what it found, or why the data cannot be read."""

    def __init__(self, step: Step, folder: str) -> None:
        self._step, self._folder = step, folder

    def process(self, task: Any) -> Iterator[None]:
        """Writes `<number of the task>.json`."""
        try:
            found = self._step(task)
        except IngestError as error:
            found = {"error": str(error)}
        path = os.path.join(self._folder, f"{task.index}.json")
        part = f"{path}.{uuid.uuid4().hex}"
        with fileio.open(part, "wb") as file:
            file.write(json.dumps(found).encode())
        fileio.rename(part, path, overwrite=True)
        yield from ()


@dataclass(frozen=True)
class BlockTask:
    """A block of a CSV file."""

    index: int
    path: str
    start: int
    end: int


@dataclass(frozen=True)
class Examine:
    """Finds where rows of a block may begin."""

    delimiter: str
    quote: str | None

    def __call__(self, task: BlockTask) -> dict[str, Any]:
        """Returns the fields of `Block`."""
        return asdict(examine_block(task.path, task.start, task.end, self.delimiter, self.quote))


@dataclass(frozen=True)
class Scan:
    """Counts rows and finds what the values of each column are."""

    settings: ReadSettings

    def __call__(self, task: Task) -> dict[str, Any]:
        """Returns rows and bad rows of each piece, evidence by column, and the histogram of times."""
        columns: dict[str, Evidence] = {}
        rows: list[int] = []
        bad: list[int] = []
        faults: list[tuple[int, int, str]] = []
        histogram, units = Histogram(), set[str]()
        for number, piece in task.pieces:
            count = missed = 0
            for batch in _prepared(piece, self.settings):
                time = self.settings.split.time
                if time is not None and batch.table.num_rows:
                    times = read_times(batch.table[time.column], time.format)
                    units.add(times.unit)
                    if time.eval_share is not None:
                        histogram.add(times.values)
                count += batch.table.num_rows + len(batch.bad)
                missed += len(batch.bad)
                faults += [(number, each.row, each.fault) for each in batch.bad[: _DESCRIBED - len(faults)]]
                self._observe(columns, number, piece, batch)
            rows.append(count)
            bad.append(missed)
        return {
            "rows": rows,
            "bad": bad,
            "faults": faults,
            "columns": {name: vars(found) for name, found in columns.items()},
            "times": {"units": sorted(units), "shift": histogram.shift, "counts": list(histogram.counts.items())},
        }

    def _observe(self, columns: dict[str, Evidence], number: int, piece: Piece, batch: Rows) -> None:
        csv = dialect_of(piece.path, self.settings.csv)
        for name, values in zip(batch.table.schema.names, batch.table.columns, strict=True):
            found = columns.setdefault(name, Evidence())
            if name in self.settings.drop:
                continue
            if batch.texts:
                declared = self.settings.columns.get(name)
                if declared == "string":
                    found.present += len(values) - values.null_count
                else:
                    found.add(observe_texts(values, batch.numbers, number, csv))
            else:
                _check_type(piece, name, values.type)
                found.add(observe_values(values, batch.numbers, number))


@dataclass(frozen=True)
class Write:
    """Writes the examples of a task, one file for each split that has any.

    Attributes:
        settings: how rows are read and split; `rows` counts in each file.
        columns: what each column becomes.
        threshold: the time from which rows are for evaluation.
        folders: of the splits.
        tasks: how many tasks there are.
        work: a folder for files that are not complete.
    """

    settings: ReadSettings
    columns: Mapping[str, Column]
    threshold: int | None
    folders: Mapping[str, str]
    tasks: int
    work: str

    def __call__(self, task: Task) -> dict[str, Any]:
        """Returns the number of rows written, by split, and of those left out as they do not fit."""
        names = list(self.folders)
        counts, skipped = dict.fromkeys(names, 0), 0
        parts: dict[str, str] = {}
        with ExitStack() as stack:
            writers: dict[str, tf.io.TFRecordWriter] = {}
            for place, (_, piece) in enumerate(task.pieces):
                for rows in _prepared(piece, self.settings):
                    chosen = self._choose(rows, task, place)
                    examples, kept = self._encode(piece, chosen)
                    skipped += chosen.table.num_rows - len(examples)
                    if not examples:
                        continue
                    indices = self._splits(kept, task, place)
                    for index, name in enumerate(names):
                        mine = np.flatnonzero(indices == index)
                        if not len(mine):
                            continue
                        if name not in writers:
                            parts[name] = os.path.join(self.work, f"part-{uuid.uuid4().hex}.gz")
                            writers[name] = stack.enter_context(tf.io.TFRecordWriter(parts[name], _OPTIONS))
                        write = writers[name].write
                        for row in mine.tolist():
                            write(examples[row])
                        counts[name] += len(mine)
        for name, part in parts.items():
            target = os.path.join(self.folders[name], f"data_tfrecord-{task.index:05d}-of-{self.tasks:05d}.gz")
            fileio.rename(part, target, overwrite=True)
        return {"counts": counts, "skipped": skipped}

    def _choose(self, rows: Rows, task: Task, place: int) -> Rows:
        """Returns the rows that a sample takes, spread over the file."""
        wanted, total = self.settings.rows, task.totals[place] if task.totals else 0
        if wanted is None or wanted >= total:
            return rows
        chosen = np.array([index * total // wanted for index in range(wanted)])
        return _select(rows, np.isin(rows.numbers + task.firsts[place], chosen))

    def _splits(self, rows: Rows, task: Task, place: int) -> np.ndarray:
        if task.split is not None:
            same: np.ndarray = np.array([list(self.folders).index(task.split)] * rows.table.num_rows)
            return same
        _, piece = task.pieces[place]
        return splits.assign(rows, self.settings, self.threshold, (piece.path, task.firsts[place]))

    def _encode(self, piece: Piece, rows: Rows) -> tuple[list[bytes], Rows]:
        """Returns serialized examples, and the rows that they are of."""
        columns = {
            name: self.columns[name]
            for name in rows.table.schema.names
            if name not in self.settings.drop and self.columns[name].kind is not None
        }
        if rows.records is not None and self._is_as_it_is(rows, columns):
            return rows.records, rows
        csv = dialect_of(piece.path, self.settings.csv)
        converted = {name: convert(rows.table[name], column, csv, texts=rows.texts) for name, column in columns.items()}
        unfit = [bad for _, bad in converted.values() if bad is not None and bad.any()]
        arrays = {name: array for name, (array, _) in converted.items()}
        if unfit:
            keep = ~np.logical_or.reduce(unfit)
            arrays = {name: array.filter(pa.array(keep)) for name, array in arrays.items()}
            rows = _select(rows, keep)
        if not arrays:
            return [tf.train.Example().SerializeToString()] * rows.table.num_rows, rows
        batch = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
        return RecordBatchToExamplesEncoder().encode(batch), rows

    def _is_as_it_is(self, rows: Rows, columns: Mapping[str, Column]) -> bool:
        """Returns whether records are written as the file has them."""
        if self.settings.rename or self.settings.drop:
            return False
        types = {"int": pa.int64(), "float": pa.float32(), "string": pa.large_binary()}
        for name, column in columns.items():
            values = rows.table[name]
            if column.length is not None:
                return False
            if pa.types.is_null(values.type):
                continue
            assert column.kind is not None
            if values.type.value_type != types[column.kind] and values.type.value_type != pa.binary():
                return False
            if column.kind != "string" and values.type.value_type == pa.binary():
                return False
            if column.kind == "float" and np.isnan(values.flatten().to_numpy(zero_copy_only=False)).any():
                return False
        return True


def _check_type(piece: Piece, name: str, kind: pa.DataType) -> None:
    """Refuses what is neither a number or string nor a list of them."""
    single = kind.value_type if is_list(kind) else kind
    if kind_of(single) is None and not pa.types.is_null(single):
        raise IngestError(
            f"{piece.path}: column '{name}' is a {kind}, which a tf.Example cannot contain; leave it out with "
            f"data.drop, or write it as columns of numbers, strings or lists"
        )


def _prepared(piece: Piece, settings: ReadSettings) -> Iterator[Rows]:
    """Yields the rows of a piece with the names that columns have here; a row without a time that it needs is bad."""
    for rows in read_piece(piece, settings):
        renamed = [settings.rename.get(name, name) for name in rows.table.schema.names]
        doubled = sorted({name for name in renamed if renamed.count(name) > 1})
        if doubled:
            raise IngestError(
                f"{piece.path}: data.rename gives a second column the name '{doubled[0]}'; choose another name, "
                f"or leave the other column out with data.drop"
            )
        rows = replace(rows, table=pa.RecordBatch.from_arrays(rows.table.columns, names=renamed))
        yield _with_times(piece, rows, settings)


def _with_times(piece: Piece, rows: Rows, settings: ReadSettings) -> Rows:
    if settings.split.time is None or not rows.table.num_rows:
        return rows
    column = settings.split.time.column
    if column not in rows.table.schema.names:
        raise IngestError(
            f"{piece.path}: has no column '{column}', which data.split.time.column names; "
            f"its columns are {', '.join(rows.table.schema.names)}"
        )
    valid = read_times(rows.table[column], settings.split.time.format).valid
    if valid.all():
        return rows
    bad = []
    for index in np.flatnonzero(~valid).tolist():
        value = rows.table[column][index].as_py()
        fact = "has no value" if value in (None, [], "") else f"contains '{value}'"
        fault = (
            f"column '{column}' {fact}, which is not a time that the row could be split by; "
            f"write numbers, or dates as 2026-11-30 (ISO 8601), or say with data.split.time.format how they are "
            f"written, for example '%d/%m/%Y'"
        )
        bad.append(BadRow(int(rows.numbers[index]), fault))
    kept = _select(rows, valid)
    return replace(kept, bad=[*rows.bad, *bad])


def _select(rows: Rows, keep: np.ndarray) -> Rows:
    records = None if rows.records is None else [rows.records[index] for index in np.flatnonzero(keep).tolist()]
    return replace(rows, table=rows.table.filter(pa.array(keep)), numbers=rows.numbers[keep], records=records)
