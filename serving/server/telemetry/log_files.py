"""Append-only files that are rotated by renaming, so that a crash costs at most a torn last record."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO

import google_crc32c

_HEADER = 12
_FOOTER = 4


class RotatingFile:
    """A file that is appended to, and renamed when it is full; only the newest few are kept."""

    def __init__(self, path: Path, max_bytes: int, max_files: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.max_files = max_files
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        drop_torn_record(path)
        self.file: IO[bytes] = _open_private(path)
        self.size = self.file.tell()

    def append(self, record: bytes) -> None:
        """Append one whole record."""
        if self.size and self.size + len(record) > self.max_bytes:
            self._rotate()
        self.file.write(record)
        self.size += len(record)

    def _rotate(self) -> None:
        self.file.close()
        stamp = f"{time.time_ns():020d}"
        self.path.rename(self.path.with_name(f"{self.path.stem}-{stamp}{self.path.suffix}"))
        self.file = _open_private(self.path)
        self.size = 0
        old = sorted(self.path.parent.glob(f"{self.path.stem}-[0-9]*{self.path.suffix}"))
        for file in old[: -(self.max_files - 1) or None]:
            file.unlink(missing_ok=True)

    def flush(self) -> None:
        """Hand what is buffered to the system, which survives the process."""
        self.file.flush()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _open_private(path: Path) -> IO[bytes]:
    """Requests are data of people: what is logged of them is for the owner only, and never follows a link."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab")


def drop_torn_record(path: Path) -> None:
    """Cut off a last record that a crash left unfinished, so that records after it can be read."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = _whole_records(data) if path.suffix == ".tfrecord" else data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)


def _whole_records(data: bytes) -> int:
    position = 0
    while position + _HEADER <= len(data):
        length = int.from_bytes(data[position : position + 8], "little")
        end = position + _HEADER + length + _FOOTER
        if end > len(data):
            break
        position = end
    return position


def tf_record(data: bytes) -> bytes:
    """One TFRecord: length, its masked checksum, data, its masked checksum."""
    length = len(data).to_bytes(8, "little")
    return b"".join((length, masked_crc(length), data, masked_crc(data)))


def masked_crc(data: bytes) -> bytes:
    """The checksum of a TFRecord: CRC-32C, rotated and offset (tensorflow/core/lib/hash/crc32c.h)."""
    crc = int(google_crc32c.value(data))
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return masked.to_bytes(4, "little")
