"""Content codings of request bodies."""

import gzip

import pytest

from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.inflate import MAX_MEMBERS
from hilir.serving.server.rest.http_body import BodyError, decode_body

PLAIN = b'{"instances": [2.0]}'
ZIPPED = gzip.compress(PLAIN)


def _decode(body, codings, limit):
    return decode_body(body, codings, limit, MemoryBudget().take)


@pytest.mark.parametrize(
    ("codings", "body"),
    [
        (b"gzip", ZIPPED),
        (b"GZIP", ZIPPED),
        (b"x-gzip", ZIPPED),
        (b"identity, gzip", ZIPPED),
        (b"gzip,identity", ZIPPED),
        (b"gzip, , x-gzip", gzip.compress(ZIPPED)),
        (b"identity", PLAIN),
        (b"", PLAIN),
    ],
)
def test_codings(codings, body):
    assert _decode(body, codings, 1000) == PLAIN


def test_an_empty_body_has_nothing_to_inflate():
    assert _decode(b"", b"gzip", 1000) == b""


def test_all_members_are_read_wherever_the_pieces_end():
    members = [bytes([number]) * (997 * number) for number in range(1, 120)]
    body = b"".join(gzip.compress(member, compresslevel=0) for member in members)
    assert _decode(body, b"gzip", 10 << 20) == b"".join(members)


@pytest.mark.parametrize(
    ("codings", "body", "status", "message"),
    [
        (b"gzip", b"not gzip", 400, "cannot be inflated: Error -3"),
        (b"gzip", ZIPPED[:-1], 400, "it is cut off"),
        (b"gzip", ZIPPED + ZIPPED[:9], 400, "it is cut off"),
        (b"gzip", ZIPPED + b"more", 400, "cannot be inflated"),
        (b"gzip", ZIPPED[:-8] + bytes(8), 400, "incorrect data check"),
        (b"gzip", gzip.compress(bytes(1001)), 413, "more than 1000 bytes"),
        (b"gzip", gzip.compress(bytes(600)) * 2, 413, "more than 1000 bytes"),
        (b"gzip", gzip.compress(b"") * (MAX_MEMBERS + 1), 400, f"more than {MAX_MEMBERS} members"),
        (b"br", b"x", 415, "'br' is not supported; send gzip"),
    ],
)
def test_what_is_wrong_is_said(codings, body, status, message):
    with pytest.raises(BodyError, match=message) as caught:
        _decode(body, codings, 1000)
    assert caught.value.status == status


def test_the_limit_itself_is_allowed():
    assert _decode(gzip.compress(bytes(500)) * 2, b"gzip", 1000) == bytes(1000)
