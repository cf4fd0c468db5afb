"""Decides to which split a row belongs; the same row has the same split whatever the files, ranges and workers.

Only where equal rows are told apart (`equal_rows: apart`), it is the row's place in its file that counts as well.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hilir.components.example_gen.column_evidence import kind_of
from hilir.components.example_gen.readers.batch import Rows, is_list
from hilir.components.example_gen.settings import ReadSettings
from hilir.components.example_gen.times import read_times

_SEPARATOR = "\x1f"


def split_of(keys: Iterable[bytes], bounds: Sequence[int]) -> np.ndarray:
    """Returns the index of the split that each row belongs to.

    It depends on the row's content alone, so that equal rows stay together and a row stays where it was when the data
    grows: sha256 of the key modulo the sum of the shares, as TFX's own ExampleGen does with the serialized example.

    Args:
        keys: what stands for each row's content.
        bounds: the running sums of the splits' shares; [2, 3] for 2:1.
    """
    digest = hashlib.sha256
    digests = b"".join([digest(key).digest() for key in keys])
    # Eight digits of each number, in base 2^32, the largest first; the rest of a division stays below 2^64.
    kind = np.uint64 if bounds[-1] < 2**32 else object
    digits = np.frombuffer(digests, ">u4").reshape(-1, 8).astype(kind)
    rest: np.ndarray = np.zeros(len(digits), kind)
    for place in range(8):
        rest = (rest * 2**32 + digits[:, place]) % bounds[-1]
    indices: np.ndarray = np.array(bounds, kind).searchsorted(rest, side="right")
    return indices


def assign(rows: Rows, settings: ReadSettings, threshold: int | None, place: tuple[str, int] = ("", 0)) -> np.ndarray:
    """Returns the index of each row's split.

    Args:
        rows: with the columns as they are named after `rename`, dropped ones too.
        settings: the splits and what decides.
        threshold: the time from which rows are for evaluation, as `read_times` has it; None: not split by time.
        place: the file, and the number in it of the first row of the rows' piece, by which equal rows are told apart.
    """
    names = list(settings.splits)
    if threshold is not None:
        assert settings.split.time is not None
        times = read_times(rows.table[settings.split.time.column], settings.split.time.format).values
        older = names.index(settings.trained_on)
        sides = np.array([older, 1 - older])
        found: np.ndarray = sides[(times >= threshold).astype(int)]
        return found
    bounds = list(accumulate(settings.splits.values()))
    keys = make_keys(rows, settings)
    if settings.split.equal_rows == "apart":
        # The folder does not count, so that data that is moved has the same split.
        name, first = posixpath.basename(place[0]), place[1]
        numbers = (rows.numbers + first).tolist()
        keys = [key + f"{_SEPARATOR}{name}:{number}".encode() for key, number in zip(keys, numbers, strict=True)]
    return split_of(keys, bounds)


def make_keys(rows: Rows, settings: ReadSettings) -> list[bytes]:
    """Returns what stands for each row's content.

    It is the text of its cells in the order of the columns' names, or of the columns `by`; a serialized example has its
    features in another order each time. A record of a TFRecord file stands for itself. Columns that are dropped do not
    count, so that equal examples stay together.
    """
    salt = f"{settings.split.salt}{_SEPARATOR}".encode() if settings.split.salt else b""
    by = settings.split.by
    if rows.records is not None and not by and not settings.drop:
        return [salt + record for record in rows.records]
    table = rows.table
    names = by or sorted(name for name in table.schema.names if name not in settings.drop)
    none = pa.array([""] * table.num_rows)
    columns = [_texts(table[name]) if name in table.schema.names else none for name in names]
    joined = pc.binary_join_element_wise(*columns, _SEPARATOR) if columns else none
    keys: list[bytes] = joined.cast(pa.binary()).to_pylist()
    return [salt + key for key in keys] if salt else keys


def _texts(values: pa.Array) -> pa.StringArray:
    if pa.types.is_null(values.type):
        return pa.array([""] * len(values))
    if is_list(values.type):
        if pc.all(pc.less_equal(pc.list_value_length(values), 1)).as_py() in (True, None):
            # Of one value, as decoded examples are: the same text as of a value that stands alone.
            flat = values.flatten()
            places = pc.list_parent_indices(values)
            indices = np.full(len(values), -1)
            indices[places.to_numpy()] = np.arange(len(flat))
            return _texts(flat.take(pa.array(indices, mask=indices < 0)))
        return pa.array([json.dumps(each, default=_shown) for each in values.to_pylist()])
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if kind_of(values.type) == "string" and not pa.types.is_string(values.type):
        values = pa.array([None if v is None else _shown(v) for v in values.to_pylist()], pa.string())
    return pc.fill_null(values.cast(pa.string()), "")


def _shown(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
