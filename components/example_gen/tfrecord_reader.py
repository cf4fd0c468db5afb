"""Reads TFRecord files of serialized tf.Examples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import tensorflow as tf

from hilir.components.errors import IngestError


def read_examples(path: str) -> Iterator[tuple[bytes, bytes]]:
    """Yields each record of the file (plain, or gzipped if its name ends in .gz) as its key and itself.

    A feature whose only value is NaN is left out: it is missing.

    Raises:
        IngestError: the file is damaged, has no records, or its first record is not a tf.Example.
    """
    compression = "GZIP" if path.endswith(".gz") else ""
    count = 0
    try:
        for record in tf.data.TFRecordDataset(path, compression_type=compression).as_numpy_iterator():
            if count == 0:
                _check_example(path, record)
            count += 1
            yield record, _without_nan(record)
    except tf.errors.DataLossError as error:
        raise IngestError(f"{path}: is damaged after record {count:,} ({error.message}); write the file anew") from None
    if count == 0:
        raise IngestError(f"{path}: has no records; give a file with data")


def _without_nan(record: bytes) -> bytes:
    """Returns the record with the only value of a feature removed where it is NaN, which is a missing value."""
    # The two highest bytes of a NaN, little endian: most records have none, and are not parsed.
    if b"\xc0\x7f" not in record and b"\xc0\xff" not in record:
        return record
    example = tf.train.Example.FromString(record)
    features = example.features.feature
    missing = [
        name
        for name, feature in features.items()
        if len(feature.float_list.value) == 1 and math.isnan(feature.float_list.value[0])
    ]
    for name in missing:
        del features[name]
    return example.SerializeToString(deterministic=True) if missing else record


def _check_example(path: str, record: bytes) -> None:
    example = tf.train.Example()
    try:
        example.ParseFromString(record)
    except Exception:  # noqa: BLE001 - protobuf's implementations raise different classes
        example.Clear()
    if not example.features.feature:
        raise IngestError(f"{path}: its first record is not a tf.Example with features; write tf.Examples")
