"""Whole records of log files that grow, are rotated by renaming, and may end in the middle of a record.

A file is known by its first record, not by its name: a rotation changes the name, and a copy the inode.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import IO

from hilir.serving.server.telemetry.log_files import masked_crc

_HEADER, _FOOTER = 12, 4
# A longer "record" is a damaged length.
_LONGEST = 1 << 30
_KEPT_POSITIONS = 1000
SUFFIXES = (".jsonl", ".tfrecord")


@dataclass(frozen=True)
class LogFile:
    """A file of a log.

    Attributes:
        key: stays the same when the file is renamed or grows.
        path: where it is now.
        is_json: lines of JSON, else TFRecords.
    """

    key: str
    path: Path
    is_json: bool


@dataclass(frozen=True)
class LogRecord:
    """A whole record.

    Attributes:
        data: a line of JSON without its end, or a serialized PredictionLog; None where the file is damaged.
        end: the position after it.
        time: when its file was last written, for records that have no time of their own.
    """

    data: bytes | None
    end: int
    time: float


def find_files(log: str) -> list[LogFile]:
    """Returns the files of a log that have a record, the oldest first.

    Args:
        log: the prefix that `--request-log` got, or a pattern of files. Of a prefix with both formats, the JSON lines
            are taken, which have the time and the id of each request.
    """
    found = [path for path in _list_paths(log) if path.suffix in SUFFIXES and path.is_file()]
    files = []
    for path in sorted(found, key=_age):
        try:
            with path.open("rb") as file:
                key = _identify(file, path.suffix == ".jsonl")
        except FileNotFoundError:
            continue  # rotated away in between
        if key is not None:
            files.append(LogFile(key, path, path.suffix == ".jsonl"))
    return list({file.key: file for file in files}.values())


def read_records(log_file: LogFile, start: int) -> Iterator[LogRecord]:
    """Yields the whole records from a position on; a file that is gone has none."""
    try:
        with log_file.path.open("rb") as file:
            if _identify(file, log_file.is_json) != log_file.key:
                return  # rotated in between; the next look finds it under its new name
            status = os.fstat(file.fileno())
            file.seek(start if start <= status.st_size else 0)
            records = _read_lines(file) if log_file.is_json else _read_tf_records(file)
            for data, end in records:
                yield LogRecord(data, end, status.st_mtime)
    except FileNotFoundError:
        return


def forget(positions: Mapping[str, int], files: list[LogFile]) -> list[str]:
    """Returns the keys of positions to forget, the oldest first: files that are gone, once there are very many.

    A folder that is not mounted now, or a log of another name, would be read anew if they were forgotten at once.
    """
    there = {file.key for file in files}
    gone = [key for key in positions if key not in there]
    return gone[: max(len(positions) - _KEPT_POSITIONS, 0)]


def _list_paths(log: str) -> list[Path]:
    if Path(log).suffix in SUFFIXES and Path(log).is_file():
        return [Path(log)]
    prefix = Path(log)
    for suffix in SUFFIXES:
        found = [path for path in prefix.parent.glob(f"*{suffix}") if _belongs(path, prefix.name)]
        if found:
            return found
    # Last, so that a name with one of these characters is a name first.
    return [Path(found) for found in glob(log)] if any(character in log for character in "*?[") else []


def _belongs(path: Path, stem: str) -> bool:
    """Returns whether it is the current file of a log, or a rotated one: PREFIX-00000000000000000000."""
    stamp = path.stem.removeprefix(f"{stem}-")
    return path.stem == stem or (stamp != path.stem and stamp.isdigit())


def _age(path: Path) -> tuple[str, bool, str]:
    """Sorts rotated files by the time in their names, and the current one after them."""
    stem, _, stamp = path.stem.rpartition("-")
    return (stem, False, stamp) if stamp.isdigit() else (path.stem, True, "")


def _identify(file: IO[bytes], is_json: bool) -> str | None:
    """Returns the name of a file's content by its first record, None while it has none whole."""
    first = next(_read_lines(file) if is_json else _read_tf_records(file), None)
    if first is None:
        return None
    # TFRecords have no ids of requests: two servers may have logged the same first one.
    inode = "" if is_json else str(os.fstat(file.fileno()).st_ino)
    return hashlib.sha256((first[0] or b"") + inode.encode()).hexdigest()[:32]


def _read_lines(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    position = file.tell()
    for line in file:
        if not line.endswith(b"\n"):
            return
        position += len(line)
        yield line[:-1], position


def _read_tf_records(file: IO[bytes]) -> Iterator[tuple[bytes | None, int]]:
    """Yields records; a damaged one as None, and nothing after a damaged length, which nobody can find the end of."""
    position = file.tell()
    while True:
        header = file.read(_HEADER)
        if len(header) < _HEADER:
            return
        length = int.from_bytes(header[:8], "little")
        if masked_crc(header[:8]) != header[8:] or length > _LONGEST:
            yield None, os.fstat(file.fileno()).st_size
            return
        rest = file.read(length + _FOOTER)
        if len(rest) < length + _FOOTER:
            return
        position += _HEADER + length + _FOOTER
        data, crc = rest[:length], rest[length:]
        yield (data if masked_crc(data) == crc else None), position
