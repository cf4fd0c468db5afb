"""Sends the rows of a file through a version: several pieces at a time, written in their order."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hilir.serving.errors import PredictError
from hilir.serving.predict.answers import AnswerColumns
from hilir.serving.predict.dialect import Dialect
from hilir.serving.predict.readers import Columns, Source, open_source
from hilir.serving.predict.signature_inputs import CellError, make_input
from hilir.serving.predict.writers import open_target
from hilir.serving.server.inference.signatures import DEFAULT_SIGNATURE
from hilir.serving.server.servables.loader import LoadOptions, load_servable
from hilir.serving.server.servables.servable import Run, Signature
from hilir.serving.server.status import StatusError
from hilir.serving.server.tensors import dtypes

Outputs = dict[str, np.ndarray]
"""The outputs of a signature for one piece, by name."""


@dataclass(frozen=True)
class Request:
    """What to predict.

    Attributes:
        model: name of the model, for messages.
        version: its number.
        folder: the folder of the version, a SavedModel.
        file: the rows.
        out: where to write the predictions; its name says the form.
        keep: columns of the file to write, too.
        dialect: of a CSV file.
    """

    model: str
    version: int
    folder: Path
    file: Path
    out: Path
    keep: tuple[str, ...] = ()
    dialect: Dialect = field(default_factory=Dialect)


@dataclass(frozen=True)
class Scorer:
    """The signature `serving_default` of a loaded version."""

    signature: Signature
    run: Run
    dialect: Dialect

    @classmethod
    def load(cls, request: Request) -> Scorer:
        """Loads a version.

        Raises:
            PredictError: it cannot be loaded, or has no such signature.
        """
        try:
            servable = load_servable(request.model, request.version, str(request.folder), LoadOptions())
            signature = servable.signatures.get(DEFAULT_SIGNATURE)
            if signature is None:
                raise PredictError(
                    f"{request.folder}: has no signature {DEFAULT_SIGNATURE}, which takes columns; "
                    f"it has {', '.join(sorted(servable.signatures)) or 'none'}"
                )
            return cls(
                signature,
                servable.prepare_run(signature.feeds, tuple(signature.fetches[name] for name in signature.outputs)),
                request.dialect,
            )
        except StatusError as error:
            raise PredictError(f"{request.folder}: {error}") from None

    def __call__(self, columns: Columns) -> Outputs:
        """Returns the outputs for a piece, by name.

        Raises:
            CellError: a value is not what the signature takes.
            StatusError: the graph refused the rows.
        """
        arrays = []
        for name, spec in self.signature.inputs.items():
            shape = tuple(dim.size for dim in self.signature.definition.inputs[name].tensor_shape.dim)
            values = self.dialect.normalize(columns[name]) if spec.dtype != dtypes.STRING else columns[name]
            arrays.append(make_input(values, name, spec.dtype, shape, takes_missing=spec.takes_missing))
        return dict(zip(self.signature.outputs, self.run(arrays), strict=True))


def predict_file(
    request: Request,
    progress: Callable[[int], None] | None = None,
    elsewhere: Callable[[Request], Iterator[Outputs]] | None = None,
) -> int:
    """Writes the predictions for all rows of a file, in their order; returns the number of rows.

    Args:
        request: which file, and which version.
        progress: gets the number of rows that have been written so far.
        elsewhere: yields the outputs for each piece of the file in their order; None: they are computed here.

    Raises:
        PredictError: the file has no row or lacks a column, a cell is not what the model takes, or nothing can be
            written. The written file is then as it was before.
    """
    source = open_source(request.file, request.dialect)
    scorer = Scorer.load(request)
    columns = AnswerColumns(
        _read_classes(request.folder),
        frozenset(request.keep),
        _read_object(request.folder / "assets.extra/labels.json"),
    )
    _require_columns(request, source, tuple(scorer.signature.inputs))
    inputs = tuple(scorer.signature.inputs)
    wanted = tuple(dict.fromkeys([*inputs, *request.keep])) if elsewhere is None else request.keep or inputs[:1]
    pieces = source.read(wanted)
    rows = 0
    with open_target(request.out) as write:
        scored = (
            _score(request.file, pieces, scorer) if elsewhere is None else zip(pieces, elsewhere(request), strict=True)
        )
        for piece, outputs in scored:
            kept = {name: piece[name] for name in request.keep}
            write(kept | columns.make(outputs))
            rows += _count(piece)
            if progress is not None:
                progress(rows)
        if not rows:
            raise PredictError(f"{request.file}: has no rows; give a file with data")
    return rows


def score_share(request: Request, share: int, shares: int) -> Iterator[tuple[int, Outputs]]:
    """Yields the outputs for every `shares`-th piece of a file from number `share` on, each with its number.

    Raises:
        PredictError: as `predict_file`.
    """
    source = open_source(request.file, request.dialect)
    scorer = Scorer.load(request)
    row = 0
    for number, piece in enumerate(source.read(tuple(scorer.signature.inputs))):
        if number % shares == share:
            with _explained(request.file, row, _count(piece)):
                yield number, scorer(piece)
        row += _count(piece)


def _require_columns(request: Request, source: Source, inputs: Sequence[str]) -> None:
    there = f"; its columns are {', '.join(source.names)}"
    missing = _list([name for name in inputs if name not in source.names])
    if missing:
        raise PredictError(
            f"{request.file}: has no column {missing}, which {request.model} version {request.version} takes{there}"
        )
    unknown = _list([name for name in request.keep if name not in source.names])
    if unknown:
        raise PredictError(f"--keep: {request.file} has no column {unknown}{there}")


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _score(path: Path, pieces: Iterator[Columns], scorer: Scorer) -> Iterator[tuple[Columns, Outputs]]:
    """Yields each piece with its outputs, in order; threads work ahead while one piece is written."""
    threads = max(2, os.cpu_count() or 1)
    waiting: deque[tuple[int, Columns, Future[Outputs]]] = deque()
    row = 0
    with ThreadPoolExecutor(threads, "predict") as pool:
        try:
            for piece in pieces:
                waiting.append((row, piece, pool.submit(scorer, piece)))
                row += _count(piece)
                if len(waiting) > 2 * threads:
                    yield _take(path, *waiting.popleft())
            while waiting:
                yield _take(path, *waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _take(path: Path, row: int, piece: Columns, outputs: Future[Outputs]) -> tuple[Columns, Outputs]:
    with _explained(path, row, _count(piece)):
        return piece, outputs.result()


@contextmanager
def _explained(path: Path, row: int, rows: int) -> Iterator[None]:
    """Says in errors where in the file they are."""
    try:
        yield
    except CellError as error:
        raise PredictError(
            f"{path}: column '{error.name}', row {row + error.row + 1:,} contains {error.found}, which {error.reason}; "
            "correct the row"
        ) from None
    except StatusError as error:
        raise PredictError(f"{path}: rows {row + 1:,} to {row + rows:,}: {error}") from None


def _count(piece: Columns) -> int:
    return len(next(iter(piece.values())))


def _read_classes(folder: Path) -> dict[str, list[str]]:
    """Returns the names of the classes by label that the manifest has; none for a version without a manifest."""
    found = _read_object(folder / "manifest.json").get("classes")
    return found if isinstance(found, dict) else {}


def _read_object(path: Path) -> dict[str, Any]:
    """Returns what a JSON file of a version holds; nothing where it is missing or damaged."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
