"""Inflates what clients compressed, whichever protocol it came by, and counts it before it is allocated."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from hilir.serving.server.inference.memory import Take

POOL = ThreadPoolExecutor(2, "inflate")
"""Where what is large is inflated: two at a time, as what is half inflated holds memory and serves nobody."""
# Inflating this much takes some tenths of a millisecond; a hand-over to a thread as long.
SMALL, SMALL_RESULT = 16 << 10, 256 << 10
"""What is at most so large, and becomes at most so much, is inflated at once."""
GZIP, GZIP_OR_ZLIB = 31, 47
"""What `zlib.decompressobj` calls these forms."""
# RFC 1952 lets a file have any number of members; each costs some microseconds of the event loop.
MAX_MEMBERS = 4096
# zlib copies what follows a member: pieces keep that copy small.
_PIECE = 64 << 10
_PART = 1 << 20


class _Inflater(Protocol):
    """What `zlib.decompressobj` returns."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class NotInflatable(ValueError):
    """The data are damaged, or of too many members; the message says which."""


class TooLarge(ValueError):
    """The data inflate to more than they may."""


def inflate(data: bytes, form: int, limit: int, take: Take) -> bytes:
    """All members of compressed data, joined.

    Args:
        data: what was compressed.
        form: GZIP or GZIP_OR_ZLIB.
        limit: the most bytes that the data may become.
        take: counts what is allocated on the way, before it is.

    Raises:
        OverBudget: the data become more than requests may hold.
        NotInflatable: they are damaged.
        TooLarge: they become more than `limit`.
    """
    parts: list[bytes] = []
    try:
        _inflate_members(data, form, limit, take, parts)
        return b"".join(parts)
    finally:
        # The traceback of an error keeps them, after they are counted no more.
        parts.clear()


def _inflate_members(data: bytes, form: int, limit: int, take: Take, parts: list[bytes]) -> None:
    """Appends what the members become, in parts of at most 1 MiB."""
    inflater = zlib.decompressobj(wbits=form)
    size, members = 0, 1
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        part, most = b"", 0
        # A full part may not have been all: zlib can have read the whole piece, and keep what it became.
        while piece or (most and len(part) == most and not inflater.eof):
            if inflater.eof:
                members += 1
                if members > MAX_MEMBERS:
                    raise NotInflatable(f"has more than {MAX_MEMBERS} members")
                inflater = zlib.decompressobj(wbits=form)
            most = min(_PART, limit + 1 - size)
            part = _inflate_part(inflater, piece, most)
            size += len(part)
            if size > limit:
                raise TooLarge(f"has more than {limit} bytes")
            # Twice: each part, and the whole that they are joined to.
            take(2 * len(part))
            parts.append(part)
            piece = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise NotInflatable("cannot be inflated: it is cut off")


def _inflate_part(inflater: _Inflater, piece: bytes, most: int) -> bytes:
    try:
        return inflater.decompress(piece, most)
    except zlib.error as error:
        raise NotInflatable(f"cannot be inflated: {error}") from None
