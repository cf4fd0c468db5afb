"""Reads files into examples: looks at all values first, decides on types, then writes; both on Beam workers."""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from tfx.dsl.io import fileio

from hilir.components.errors import IngestError
from hilir.components.example_gen.column_evidence import Evidence, Sample
from hilir.components.example_gen.column_types import NOTHING, Before, Column, decide
from hilir.components.example_gen.name_checks import check_names
from hilir.components.example_gen.readers.batch import Piece
from hilir.components.example_gen.readers.file_forms import dialect_of, find_place, list_all_pieces, needs_blocks
from hilir.components.example_gen.readers.ranges import Block, cut, list_blocks
from hilir.components.example_gen.readers.streams import size_of
from hilir.components.example_gen.settings import ReadSettings, TimeSplit
from hilir.components.example_gen.times import Histogram, read_date, show
from hilir.components.example_gen.worker_steps import BlockTask, Examine, RunTask, Scan, Step, Task, Write

# Bytes of a task: small enough for two workers to share a small file, and for a bounded number of tasks.
_SMALLEST, _LARGEST, _TASKS = 8 << 20, 32 << 20, 256


@dataclass(frozen=True)
class Ingested:
    """What became of the files.

    Attributes:
        rows: rows written, by split.
        columns: what each column became, and why.
        skipped: rows left out as they could not be read.
        notes: what the user should know, sentences.
    """

    rows: dict[str, int]
    columns: dict[str, Column]
    skipped: int
    notes: list[str]


@dataclass(frozen=True)
class Scanned:
    """What there is in the pieces: rows and bad rows of each, evidence by column, first faults, times."""

    rows: list[int]
    bad: list[int]
    columns: dict[str, Evidence]
    faults: list[tuple[int, int, str]]
    times: Histogram
    units: set[str]


class Ingest:
    """Makes examples of files."""

    def __init__(
        self,
        settings: ReadSettings,
        make_pipeline: Callable[[], beam.Pipeline],
        work: str,
        before: Before = NOTHING,
    ) -> None:
        """Prepares.

        Args:
            settings: how files are read.
            make_pipeline: makes a Beam pipeline.
            work: a folder that all workers see; it is removed at the end.
            before: what columns were for the version before.
        """
        self._settings, self._make_pipeline, self._work = settings, make_pipeline, work
        self._before = before

    def run(self, files: Sequence[tuple[str, str | None]], folders: Mapping[str, str]) -> Ingested:
        """Reads the files, each with its split or None where each row has its own, and writes to the splits' folders.

        Raises:
            IngestError: a file cannot be read as it should, or a split stays empty.
        """
        try:
            for folder in (self._work, *folders.values()):
                fileio.makedirs(folder)
            return self._run(files, folders)
        finally:
            if fileio.exists(self._work):
                fileio.rmtree(self._work)

    def _run(self, files: Sequence[tuple[str, str | None]], folders: Mapping[str, str]) -> Ingested:
        size = sum(size_of(path) for path, _ in files)
        block = min(max(_SMALLEST, size // _TASKS), _LARGEST)
        found, notes = list_all_pieces(files, self._settings, block)
        found = self._cut(found, block, notes)
        tasks = _pack(found, block)
        pieces = [piece for piece, _ in found]
        scanned = self._scan(tasks)
        notes += _note_empty_files(pieces, scanned.rows)
        notes += check_names(scanned.columns, self._settings, self._before.kinds)
        skipped = self._check_faults(pieces, scanned)
        columns = decide(scanned.columns, self._settings, _Places(pieces, scanned.rows, self._settings), self._before)
        dropped = [name for name in self._settings.drop if name in columns]
        columns = {name: column for name, column in columns.items() if name not in dropped}
        if dropped and not any(column.kind for column in columns.values()) and sum(scanned.rows):
            raise IngestError("data.drop leaves out every column that has values; keep at least one for the examples")
        notes += [f"column '{name}' is left out by data.drop" for name in dropped]
        notes += [column.note for column in columns.values() if column.note]
        notes += [
            f"column '{name}': {each.holes:,} null values within lists are left out"
            for name, each in scanned.columns.items()
            if each.holes
        ]
        threshold, about_time = self._find_threshold(scanned)
        notes += about_time
        step = Write(self._sampled(len(files)), columns, threshold, dict(folders), len(tasks), self._work)
        done = self._do(step, _with_places(tasks, pieces, scanned.rows), "write")
        counts = {name: sum(each["counts"][name] for each in done) for name in folders}
        unfit = sum(each["skipped"] for each in done)
        skipped += unfit
        total = sum(scanned.rows)
        self._check_ceiling(skipped, total)
        if unfit:
            notes.append(f"{unfit:,} of {total:,} rows are left out, as a value does not fit its column")
        return Ingested(counts, columns, skipped, notes)

    def _do(self, step: Step, tasks: Sequence[Any], name: str) -> list[dict[str, Any]]:
        """Returns what a step found with each task, in the order of the tasks."""
        folder = os.path.join(self._work, f"{name}-{uuid.uuid4().hex}")
        fileio.makedirs(folder)
        with self._make_pipeline() as pipeline:
            # What crosses the shuffle is small: tasks. It spreads them over workers.
            _ = (
                pipeline
                | f"{name}/Tasks" >> beam.Create(list(tasks), reshuffle=False)
                | f"{name}/Spread" >> beam.Reshuffle()
                | f"{name}/Run" >> beam.ParDo(RunTask(step, folder))
            )
        return list(_read_findings(folder, tasks))

    def _cut(
        self, found: list[tuple[Piece, str | None]], block: int, notes: list[str]
    ) -> list[tuple[Piece, str | None]]:
        """Returns the pieces with those of large CSV files cut."""
        long = {
            index: (piece, list_blocks(piece.start, piece.size, block))
            for index, (piece, _) in enumerate(found)
            if needs_blocks(piece, dialect_of(piece.path, self._settings.csv), block)
        }
        if not long:
            return found
        cuts: dict[int, list[Piece]] = {}
        for delimiter in {dialect_of(piece.path, self._settings.csv).delimiter for piece, _ in long.values()}:
            mine = {
                index: each
                for index, each in long.items()
                if dialect_of(each[0].path, self._settings.csv).delimiter == delimiter
            }
            blocks = [(piece.path, begin, end) for piece, places in mine.values() for begin, end in places]
            tasks = [BlockTask(number, *each) for number, each in enumerate(blocks)]
            examined = iter(self._do(Examine(delimiter, self._settings.csv.quote), tasks, f"cut{ord(delimiter)}"))
            for index, (piece, places) in mine.items():
                known = [_block(next(examined)) for _ in places]
                ranges = cut(piece.start, piece.size, known)
                if ranges is None:
                    notes.append(
                        f"{piece.path}: is read in one piece, as it has a quote within a cell that is not quoted"
                    )
                    ranges = [(piece.start, piece.size)]
                cuts[index] = [
                    Piece(piece.path, piece.form, end - begin, begin, end, piece.names, piece.spaced, len(ranges))
                    for begin, end in ranges
                ]
        return [(part, split) for index, (piece, split) in enumerate(found) for part in cuts.get(index, [piece])]

    def _scan(self, tasks: Sequence[Task]) -> Scanned:
        columns: dict[str, Evidence] = {}
        scanned = Scanned([], [], columns, [], Histogram(), set())
        for found in self._do(Scan(self._settings), tasks, "scan"):
            scanned.rows.extend(found["rows"])
            scanned.bad.extend(found["bad"])
            scanned.faults.extend((piece, row, fault) for piece, row, fault in found["faults"])
            for name, each in found["columns"].items():
                columns.setdefault(name, Evidence()).add(Evidence.from_json(each))
            scanned.times.merge(Histogram(found["times"]["shift"], dict(found["times"]["counts"])))
            scanned.units.update(unit for unit in found["times"]["units"] if unit)
        return scanned

    def _check_faults(self, pieces: list[Piece], scanned: Scanned) -> int:
        """Refuses rows that cannot be read, or returns their number where they are left out."""
        bad = sum(scanned.bad)
        if not bad:
            return 0
        if self._settings.on_bad_rows == "skip":
            self._check_ceiling(bad, sum(scanned.rows))
            return bad
        piece, row, fault = min(scanned.faults)
        same = sum(count for each, count in zip(pieces, scanned.bad, strict=True) if each.path == pieces[piece].path)
        more = f" ({same:,} such rows in all)" if same > 1 else ""
        fact, semicolon, remedy = fault.rpartition("; ")
        place = find_place(pieces, piece, row, scanned.rows, self._settings)
        raise IngestError(
            f"{pieces[piece].path}: {place} {fact}{more}{semicolon}{remedy}, or set data.on_bad_rows: skip"
        )

    def _check_ceiling(self, skipped: int, total: int) -> None:
        if skipped > self._settings.max_bad_rows * total:
            raise IngestError(
                f"{skipped:,} of {total:,} rows cannot be read, which is more than data.max_bad_rows: "
                f"{self._settings.max_bad_rows:g} allows; correct the files (data.on_bad_rows: error names the first "
                f"row), or raise data.max_bad_rows"
            )

    def _sampled(self, files: int) -> ReadSettings:
        """Returns the settings with the rows that a sample takes of each file: files often differ."""
        rows = self._settings.rows
        return self._settings if rows is None else self._settings.model_copy(update={"rows": math.ceil(rows / files)})

    def _find_threshold(self, scanned: Scanned) -> tuple[int | None, list[str]]:
        """Returns the time from which rows are for evaluation, if it decides, and a line about it."""
        time = self._settings.split.time
        if time is None:
            return None, []
        if len(scanned.units) != 1:
            raise IngestError(
                f"data.split.time: the column '{time.column}' has numbers in some files and dates in others; "
                f"write it in one way"
            )
        unit = scanned.units.copy().pop()
        if time.eval_share is not None:
            threshold = scanned.times.find_threshold(time.eval_share)
        else:
            threshold = _read_limit(time, unit)
        return threshold, [f"rows with '{time.column}' from {show(threshold, unit)} on are for evaluation"]


@dataclass(frozen=True)
class _Places:
    """Describes where values are."""

    pieces: list[Piece]
    rows: list[int]
    settings: ReadSettings

    def find(self, name: str, sample: Sample) -> str:
        """Returns the whole place of a mistake."""
        piece, row, _ = sample
        return f"{self.pieces[piece].path}: column '{name}', " + find_place(
            self.pieces, piece, row, self.rows, self.settings
        )

    def show(self, sample: Sample) -> str:
        """Returns the name of the file, and the row, of a value that decided."""
        piece, row, _ = sample
        place = find_place(self.pieces, piece, row, self.rows, self.settings, line=False)
        return f"{os.path.basename(self.pieces[piece].path)}, {place}"


def _read_limit(time: TimeSplit, unit: str) -> int:
    try:
        if unit == "number":
            return math.ceil(float(str(time.eval_after)))
        found = read_date(str(time.eval_after), time.format)
    except ValueError:
        found = None
    if found is None:
        kind = "a number" if unit == "number" else "a date such as 2026-11-30"
        raise IngestError(
            f"data.split.time.eval_after: is '{time.eval_after}', where the column '{time.column}' needs {kind}"
        )
    return found


def _block(found: Mapping[str, Any]) -> Block:
    return Block(found["quotes"], tuple(found["regular"]), tuple(found["row"]))


def _pack(found: Sequence[tuple[Piece, str | None]], block: int) -> list[Task]:
    """Returns tasks of consecutive pieces of one split, each of about `block` bytes."""
    groups: list[list[int]] = []
    filled = 0
    for number, (piece, split) in enumerate(found):
        if not groups or filled + piece.size > block or split != found[groups[-1][0]][1]:
            groups.append([])
            filled = 0
        groups[-1].append(number)
        filled += piece.size
    return [
        Task(index, tuple((number, found[number][0]) for number in group), found[group[0]][1])
        for index, group in enumerate(groups)
    ]


def _with_places(tasks: Sequence[Task], pieces: Sequence[Piece], rows: Sequence[int]) -> list[Task]:
    """Returns the tasks with what a sample of the rows needs to know: how many rows are before, and in all."""
    totals: dict[str, int] = {}
    firsts = []
    for piece, count in zip(pieces, rows, strict=True):
        firsts.append(totals.get(piece.path, 0))
        totals[piece.path] = firsts[-1] + count
    return [
        Task(
            task.index,
            task.pieces,
            task.split,
            tuple(firsts[number] for number, _ in task.pieces),
            tuple(totals[piece.path] for _, piece in task.pieces),
        )
        for task in tasks
    ]


def _read_findings(folder: str, tasks: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        with fileio.open(os.path.join(folder, f"{task.index}.json"), "rb") as file:
            found = json.loads(file.read())
        if "error" in found:
            raise IngestError(found["error"])
        yield found


def _note_empty_files(pieces: Sequence[Piece], rows: Sequence[int]) -> Iterator[str]:
    """Yields a sentence for each file without rows, as a day without trips is; a data set without any is refused."""
    totals: dict[str, int] = {}
    for piece, count in zip(pieces, rows, strict=True):
        totals[piece.path] = totals.get(piece.path, 0) + count
    for piece in {piece.path: piece for piece in pieces if not totals[piece.path]}.values():
        fact = "has a header and no rows" if piece.form == "csv" else "has no rows"
        fact = "has no records" if piece.form == "tfrecord" else fact
        if not any(totals.values()):
            raise IngestError(f"{piece.path}: {fact}; give a file with data")
        yield f"{piece.path}: {fact}"
