"""Bearer tokens: who may call, and for what, for both protocols."""

from __future__ import annotations

import enum
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

from hilir.serving.errors import ServingConfigError
from hilir.serving.server.security.private import check_private
from hilir.serving.server.status import Code, StatusError

_MIN_LENGTH = 16


class Scope(enum.Enum):
    """What a token is good for; every token may also read the status and the metadata of models."""

    PREDICT = "predict"
    OUTCOMES = "outcomes"
    ADMIN = "admin"


class Tokens:
    """Accepted bearer tokens and their scopes, compared in constant time."""

    def __init__(self, scopes: Mapping[str, frozenset[Scope]]) -> None:
        self._digests = [(hashlib.sha256(token.encode()).digest(), allowed) for token, allowed in scopes.items()]

    @classmethod
    def read(cls, path: str) -> Tokens:
        """Read a file with one token per line, each followed by its scopes: `TOKEN predict,admin`.

        A token without scopes is one for `predict`. Empty lines and lines that begin with `#` do not count.

        Raises:
            ServingConfigError: the file cannot be read, is readable by everybody, or contains no valid token.
        """
        file = Path(path)
        try:
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
            check_private(path, "token file")
        except (OSError, UnicodeDecodeError) as error:
            raise ServingConfigError(f"Can't read the token file {path}: {error}. Check the path.") from None
        scopes: dict[str, frozenset[Scope]] = {}
        for line in lines:
            if line and not line.startswith("#"):
                token, _, names = line.partition(" ")
                scopes[token] = _scopes(names, path)
        if not scopes or any(len(token) < _MIN_LENGTH for token in scopes):
            raise ServingConfigError(
                f"{path} needs one token of {_MIN_LENGTH} or more characters per line. Run: openssl rand -hex 32"
            )
        return cls(scopes)

    def refusal(self, header: bytes, scope: Scope | None) -> StatusError | None:
        """Why an Authorization header is not enough for a call; None if it is.

        Args:
            header: the value of the header, empty if there is none.
            scope: what the call needs; None if every token will do.
        """
        scheme, _, token = header.partition(b" ")
        digest = hashlib.sha256(token.strip()).digest()
        found = [allowed for known, allowed in self._digests if hmac.compare_digest(digest, known)]
        if scheme.lower() != b"bearer" or not found:
            return StatusError(Code.UNAUTHENTICATED, "Missing or unknown bearer token")
        if scope is not None and scope not in found[0]:
            return StatusError(
                Code.PERMISSION_DENIED,
                f"The token does not have the scope {scope.value!r}. "
                "Add it after the token in the server's --tokens-file",
            )
        return None


def _scopes(names: str, path: str) -> frozenset[Scope]:
    known = {scope.value: scope for scope in Scope}
    given = [name.strip() for name in names.split(",") if name.strip()] or [Scope.PREDICT.value]
    for name in given:
        if name not in known:
            raise ServingConfigError(f"{path}: {name!r} is not a scope. Use {', '.join(known)}, separated by commas.")
    return frozenset(known[name] for name in given)
