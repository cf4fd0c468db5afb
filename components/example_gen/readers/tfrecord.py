"""Reads TFRecord files of serialized tf.Examples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from hilir.components.errors import IngestError
from hilir.components.example_gen.readers.batch import Piece, Rows

_ROWS = 4_096


def read_tfrecord(piece: Piece) -> Iterator[Rows]:
    """Yields the rows of the file (plain, or gzipped if its name ends in .gz), decoded and as they are.

    Raises:
        IngestError: the file is damaged, or a record is not a tf.Example with features.
    """
    compression = "GZIP" if piece.path.endswith(".gz") else ""
    dataset = tf.data.TFRecordDataset(piece.path, compression_type=compression)
    records = dataset.as_numpy_iterator()
    decoder = ExamplesToRecordBatchDecoder()
    begin = 0
    while chunk := list(_chunk(piece.path, records, begin)):
        if begin == 0:
            _check_example(piece.path, chunk[0])
        table = _decode(piece.path, decoder, chunk, begin)
        yield Rows(table, np.arange(begin, begin + len(chunk)), records=chunk)
        begin += len(chunk)


def _chunk(path: str, records: Iterator[bytes], begin: int) -> Iterator[bytes]:
    count = begin
    try:
        for record in islice(records, _ROWS):
            count += 1
            yield record
    except tf.errors.DataLossError as error:
        raise IngestError(f"{path}: is damaged after record {count:,} ({error.message}); write the file anew") from None


def _decode(path: str, decoder: ExamplesToRecordBatchDecoder, records: list[bytes], begin: int) -> pa.RecordBatch:
    try:
        return decoder.DecodeBatch(records)
    except Exception as error:  # noqa: BLE001 - the decoder raises different classes
        raise IngestError(_explain(path, records, begin) or f"{path}: cannot be decoded ({error})") from None


def _explain(path: str, records: list[bytes], begin: int) -> str | None:
    """Returns which record is not a tf.Example, or has a feature of another kind than those before it."""
    kinds: dict[str, str] = {}
    for number, record in enumerate(records, start=begin + 1):
        try:
            example = tf.train.Example.FromString(record)
        except Exception:  # noqa: BLE001 - protobuf's implementations raise different classes
            return f"{path}: record {number:,} is not a tf.Example; write the file anew"
        for name, feature in example.features.feature.items():
            kind = feature.WhichOneof("kind") or ""
            before = kinds.setdefault(name, kind) if kind else ""
            if kind and kind != before:
                return (
                    f"{path}: column '{name}' is a {kind} in record {number:,} and a {before} before it; "
                    f"write it with one type"
                )
    return None


def _check_example(path: str, record: bytes) -> None:
    example = tf.train.Example()
    try:
        example.ParseFromString(record)
    except Exception:  # noqa: BLE001 - protobuf's implementations raise different classes
        example.Clear()
    if not example.features.feature:
        raise IngestError(f"{path}: its first record is not a tf.Example with features; write tf.Examples")
