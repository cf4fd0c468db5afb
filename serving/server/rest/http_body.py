"""Content codings of request bodies (RFC 9110, section 8.4): gzip, its old name x-gzip, and identity."""

from __future__ import annotations

from hilir.serving.server.inference.memory import Take
from hilir.serving.server.inflate import GZIP, NotInflatable, TooLarge, inflate


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
    try:
        return inflate(body, GZIP, limit, take)
    except NotInflatable as error:
        raise BodyError(400, f"The gzip body {error}") from None
    except TooLarge as error:
        raise BodyError(413, f"The inflated body {error}") from None
