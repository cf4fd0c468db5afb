"""Which values of a column its schema does not know, and in how many rows; TFDV has percentages only."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2

from hilir.components.examples import is_category, read_columns, read_records

UNEXPECTED = anomalies_pb2.AnomalyInfo.ENUM_TYPE_UNEXPECTED_STRING_VALUES
_BATCH = 50_000
_SHOWN = 5
_ALL = 2**62


def describe_unexpected(anomalies: anomalies_pb2.Anomalies, folder: str) -> dict[str, str]:
    """Returns by feature its unexpected values with their numbers of rows, the most frequent first.

    Args:
        anomalies: TFDV's findings, with the schema.
        folder: of the examples in which they were found.
    """
    domains = {
        name: set(tfdv.get_domain(anomalies.baseline, name).value)
        for name, info in anomalies.anomaly_info.items()
        if any(reason.type == UNEXPECTED for reason in info.reason) and _has_domain(anomalies, name)
    }
    if not domains:
        return {}
    found: dict[str, Counter[str]] = {name: Counter() for name in domains}
    for columns in _read_batches(os.path.join(folder, "*")):
        for name, known in domains.items():
            if name in columns and is_category(columns[name]):
                found[name].update(_count_unknown(columns[name], known))
    return {name: _list(counts) for name, counts in found.items() if counts}


def _has_domain(anomalies: anomalies_pb2.Anomalies, name: str) -> bool:
    return any(
        feature.name == name and (feature.HasField("domain") or feature.HasField("string_domain"))
        for feature in anomalies.baseline.feature
    )


def _read_batches(pattern: str) -> Iterator[Mapping[str, pa.Array]]:
    records = read_records([pattern], _ALL)
    while batch := list(islice(records, _BATCH)):
        yield read_columns(iter(batch))


def _count_unknown(column: pa.Array, known: set[str]) -> Counter[str]:
    """Returns in how many rows each value is that is not known; a row may have one twice."""
    words = [value.decode("utf-8", "backslashreplace") for value in column.flatten().to_pylist()]
    rows = pc.list_parent_indices(column).to_pylist()
    return Counter(word for _, word in {pair for pair in zip(rows, words, strict=True) if pair[1] not in known})


def _list(counts: Counter[str]) -> str:
    shown = [f"{word!r} in {count:,} row{'' if count == 1 else 's'}" for word, count in counts.most_common(_SHOWN)]
    more = f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else ""
    return f"{', '.join(shown)}{more}"
