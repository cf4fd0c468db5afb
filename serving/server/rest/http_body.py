"""Content codings of request bodies (RFC 9110, section 8.4): gzip, its old name x-gzip, and identity."""

from __future__ import annotations

import zlib
from typing import Protocol

from hilir.serving.server.inference.memory import Take

# RFC 1952 lets a file have any number of members; each costs some microseconds of the event loop.
MAX_MEMBERS = 4096
# zlib copies what follows a member: pieces keep that copy small.
_PIECE = 64 << 10
_PART = 1 << 20
_GZIP = 31


class _Inflater(Protocol):
    """What `zlib.decompressobj` returns."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class BodyError(Exception):
    """A body that is not what its Content-Encoding says; `status` and the message are the answer."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def decode_body(body: bytes, codings: bytes, limit: int, take: Take) -> bytes:
    """Undo the content codings of a body, the last one first.

    Args:
        body: as received, without its transfer coding.
        codings: the value of Content-Encoding, a comma-separated list.
        limit: the most bytes that the decoded body may have.
        take: counts what is allocated on the way, before it is.

    Raises:
        OverBudget: the body becomes more than requests may hold.
        BodyError: 400 for broken gzip, 413 for too many bytes, 415 for another coding.
    """
    for coding in reversed(codings.lower().split(b",")):
        match coding.strip():
            case b"gzip" | b"x-gzip":
                # Some clients name the coding although they send nothing.
                body = _inflate(body, limit, take) if body else body
            case b"identity" | b"":
                pass
            case other:
                name = other.decode("latin-1")
                raise BodyError(415, f"Content-Encoding '{name}' is not supported; send gzip, or the body as it is")
    return body


def _inflate(body: bytes, limit: int, take: Take) -> bytes:
    """All members of a gzip file, joined."""
    parts: list[bytes] = []
    try:
        _inflate_members(body, limit, take, parts)
        return b"".join(parts)
    finally:
        # The traceback of an error keeps them, after they are counted no more.
        parts.clear()


def _inflate_members(body: bytes, limit: int, take: Take, parts: list[bytes]) -> None:
    """Appends what the members become, in parts of at most 1 MiB."""
    inflater = zlib.decompressobj(wbits=_GZIP)
    size, members = 0, 1
    for start in range(0, len(body), _PIECE):
        piece = body[start : start + _PIECE]
        part, most = b"", 0
        # A full part may not have been all: zlib can have read the whole piece, and keep what it became.
        while piece or (most and len(part) == most and not inflater.eof):
            if inflater.eof:
                members += 1
                if members > MAX_MEMBERS:
                    raise BodyError(400, f"The gzip body has more than {MAX_MEMBERS} members")
                inflater = zlib.decompressobj(wbits=_GZIP)
            most = min(_PART, limit + 1 - size)
            part = _inflate_part(inflater, piece, most)
            size += len(part)
            if size > limit:
                raise BodyError(413, f"The inflated body has more than {limit} bytes")
            # Twice: each part, and the whole that they are joined to.
            take(2 * len(part))
            parts.append(part)
            piece = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise BodyError(400, "The gzip body cannot be inflated: it is cut off")


def _inflate_part(inflater: _Inflater, piece: bytes, most: int) -> bytes:
    try:
        return inflater.decompress(piece, most)
    except zlib.error as error:
        raise BodyError(400, f"The gzip body cannot be inflated: {error}") from None
