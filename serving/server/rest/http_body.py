"""Content codings of request bodies (RFC 9110, section 8.4): gzip, its old name x-gzip, and identity."""

from __future__ import annotations

import zlib

# RFC 1952 lets a file have any number of members; each costs some microseconds of the event loop.
MAX_MEMBERS = 4096
# zlib copies what follows a member: pieces keep that copy small.
_PIECE = 64 << 10
_GZIP = 31


class BodyError(Exception):
    """A body that is not what its Content-Encoding says; `status` and the message are the answer."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def decode_body(body: bytes, codings: bytes, limit: int) -> bytes:
    """Undo the content codings of a body, the last one first.

    Args:
        body: as received, without its transfer coding.
        codings: the value of Content-Encoding, a comma-separated list.
        limit: the most bytes that the decoded body may have.

    Raises:
        BodyError: 400 for broken gzip, 413 for too many bytes, 415 for another coding.
    """
    for coding in reversed(codings.lower().split(b",")):
        match coding.strip():
            case b"gzip" | b"x-gzip":
                # Some clients name the coding although they send nothing.
                body = _inflate(body, limit) if body else body
            case b"identity" | b"":
                pass
            case other:
                name = other.decode("latin-1")
                raise BodyError(415, f"Content-Encoding '{name}' is not supported; send gzip, or the body as it is")
    return body


def _inflate(body: bytes, limit: int) -> bytes:
    """All members of a gzip file, joined."""
    inflater = zlib.decompressobj(wbits=_GZIP)
    parts: list[bytes] = []
    size, members = 0, 1
    for start in range(0, len(body), _PIECE):
        piece = body[start : start + _PIECE]
        while piece:
            if inflater.eof:
                members += 1
                if members > MAX_MEMBERS:
                    raise BodyError(400, f"The gzip body has more than {MAX_MEMBERS} members")
                inflater = zlib.decompressobj(wbits=_GZIP)
            try:
                parts.append(inflater.decompress(piece, limit + 1 - size))
            except zlib.error as error:
                raise BodyError(400, f"The gzip body cannot be inflated: {error}") from None
            size += len(parts[-1])
            if size > limit:
                raise BodyError(413, f"The inflated body has more than {limit} bytes")
            piece = inflater.unused_data
    if not inflater.eof:
        raise BodyError(400, "The gzip body cannot be inflated: it is cut off")
    return b"".join(parts)
