"""Opens files as streams of bytes: plain or compressed, in any encoding, local or on what Beam's file systems read."""

from __future__ import annotations

import codecs
import io
import zlib
from typing import BinaryIO, cast

import pyarrow as pa
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from hilir.components.errors import IngestError

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_FOREIGN = {
    b"PK\x03\x04": "is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook; save the sheet as CSV",
    b"\x1f\x8b": "is compressed by gzip; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; let its name end in .zst",
    b"BZh": "is compressed by bzip2; let its name end in .bz2",
    b"Obj\x01": "is an Avro file, a form that is not read; write it as Parquet",
    b"ORC": "is an ORC file, a form that is not read; write it as Parquet",
}
# Encodings in which a byte below 128 always is the ASCII character, so that a file can be cut at one.
_CUTTABLE = ("utf-8", "ascii", "iso8859-", "cp125", "latin", "koi8")


def open_plain(path: str) -> BinaryIO:
    """Returns the file as it is; it can be read from anywhere.

    Raises:
        IngestError: it cannot be opened.
    """
    try:
        if "://" not in path:
            return open(path, "rb")
        return cast(BinaryIO, FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED))
    except OSError as error:
        raise IngestError(f"{path}: cannot be read ({error.strerror or error}); check that it is there") from None


def compression_of(path: str) -> str | None:
    """Returns how the file is compressed, from its name: gzip, zstd, bz2 or None."""
    return next((kind for suffix, kind in _COMPRESSIONS.items() if path.endswith(suffix)), None)


def size_of(path: str) -> int:
    """Returns the number of bytes of the file."""
    with open_plain(path) as file:
        return file.seek(0, io.SEEK_END)


def find_encoding(path: str, wanted: str) -> str:
    """Returns the name of the file's encoding; `auto` is what its byte order mark says, else UTF-8.

    Raises:
        IngestError: it looks like UTF-16 without a mark, or is no text.
    """
    if wanted != "auto":
        return codecs.lookup(wanted).name
    with open_bytes(path) as stream:
        head = stream.read(1024)
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    for mark, fault in _FOREIGN.items():
        if head.startswith(mark):
            raise IngestError(f"{path}: {fault}")
    if b"\0" in head:
        raise IngestError(
            f"{path}: contains NUL bytes, so it is not UTF-8 text; set data.csv.encoding, for example to utf-16-le"
        )
    return "utf-8"


def is_cuttable(path: str, encoding: str) -> bool:
    """Returns whether the file can be read from the middle."""
    return compression_of(path) is None and encoding.startswith(_CUTTABLE)


def open_bytes(path: str, encoding: str = "utf-8") -> BinaryIO:
    """Returns the file decompressed; what is not a superset of ASCII comes as UTF-8.

    Raises:
        IngestError: it cannot be opened.
    """
    file = open_plain(path)
    compression = compression_of(path)
    stream = file if compression is None else cast(BinaryIO, _Decompressed(path, file, compression))
    return transcode(path, stream, encoding) if encoding.startswith(("utf-16", "utf-32")) else stream


def transcode(path: str, stream: BinaryIO, encoding: str) -> BinaryIO:
    """Returns a stream of another encoding as UTF-8, without a byte order mark; `path` is for messages."""
    return cast(BinaryIO, _Transcoded(path, stream, encoding))


def limit(stream: BinaryIO, start: int, end: int | None) -> BinaryIO:
    """Returns the bytes of a stream from one place to another one, or to its end."""
    return cast(BinaryIO, _Section(stream, start, end))


class _Stream(io.RawIOBase):
    """A stream of which subclasses define `read`."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data or b"")] = data or b""
        return len(data or b"")


class _Decompressed(_Stream):
    """A compressed file as the bytes in it; a file that is cut off is an error, where Arrow reads what there is."""

    def __init__(self, path: str, file: BinaryIO, compression: str) -> None:
        self._path, self._compression = path, compression
        self._file = file
        self._gzip = zlib.decompressobj(wbits=31) if compression == "gzip" else None
        self._rest = b""
        self._stream = None if self._gzip else pa.CompressedInputStream(pa.PythonFile(file, "r"), compression)

    def read(self, size: int = -1) -> bytes:
        try:
            if size is None or size < 0:
                parts = []
                while part := self.read(1 << 20):
                    parts.append(part)
                return b"".join(parts)
            return self._inflate(size) if self._stream is None else bytes(self._stream.read(size))
        except (OSError, EOFError, zlib.error) as error:
            fault = str(error).splitlines()[0]
            raise IngestError(
                f"{self._path}: is not a whole {self._compression} file ({fault}); write the file anew"
            ) from None

    def _inflate(self, size: int) -> bytes:
        assert self._gzip is not None
        while True:
            if self._gzip.eof:
                # A file may hold several members, one after the other; zeros may follow the last one.
                self._rest = self._gzip.unused_data or self._file.read(1 << 16)
                if not self._rest.strip(b"\0"):
                    return b""
                self._gzip = zlib.decompressobj(wbits=31)
            elif not self._rest:
                self._rest = self._file.read(1 << 16)
                if not self._rest:
                    raise EOFError("it ends before its end-of-stream marker")
            data = self._gzip.decompress(self._rest, size)
            self._rest = self._gzip.unconsumed_tail
            if data:
                return data

    def close(self) -> None:
        self._file.close()
        super().close()


class _Transcoded(_Stream):
    """A stream of another encoding as UTF-8, without a byte order mark."""

    def __init__(self, path: str, stream: BinaryIO, encoding: str) -> None:
        self._path, self._stream, self._encoding = path, stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._lines = 1
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        while not self._ended and (size is None or size < 0 or not self._ready):
            data = self._stream.read(1 << 20)
            self._ended = not data
            try:
                text = self._decoder.decode(data, final=self._ended)
            except UnicodeDecodeError as error:
                line = self._lines + error.object[: error.start].count(b"\n")
                raise IngestError(
                    f"{self._path}: line {line:,} contains bytes that are not {self._encoding} ({error.reason}); "
                    f"correct data.csv.encoding, or the file"
                ) from None
            self._lines += text.count("\n")
            self._ready += text.removeprefix("\ufeff").encode() if self._lines == 1 else text.encode()
        if size is None or size < 0:
            size = len(self._ready)
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Section(_Stream):
    """The bytes of a stream from one place to another one."""

    def __init__(self, stream: BinaryIO, start: int, end: int | None) -> None:
        if stream.seekable():
            stream.seek(start)
        else:
            _skip(stream, start)
        self._stream = stream
        self._left = None if end is None else end - start

    def read(self, size: int = -1) -> bytes:
        if self._left is not None:
            size = self._left if size is None or size < 0 else min(size, self._left)
        data = self._stream.read(size)
        if self._left is not None:
            self._left -= len(data)
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


def _skip(stream: BinaryIO, count: int) -> None:
    while count > 0:
        data = stream.read(min(count, 1 << 20))
        if not data:
            return
        count -= len(data)
