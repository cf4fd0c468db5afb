"""Bearer tokens: who may call, for both protocols."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from hilir.serving.errors import ServingConfigError

_MIN_LENGTH = 16


class Tokens:
    """A set of accepted bearer tokens, compared in constant time."""

    def __init__(self, tokens: list[str]) -> None:
        self._digests = [hashlib.sha256(token.encode()).digest() for token in tokens]

    @classmethod
    def read(cls, path: str) -> Tokens:
        """Read a file with one token per line; empty lines and lines that begin with `#` do not count.

        Raises:
            ServingConfigError: the file cannot be read, is readable by everybody, or holds no good token.
        """
        file = Path(path)
        try:
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
            mode = file.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            raise ServingConfigError(f"Can't read the token file {path}: {error}. Check the path.") from None
        if mode & 0o004:
            raise ServingConfigError(f"Everybody can read the token file {path}. Run: chmod 600 {path}")
        tokens = [line for line in lines if line and not line.startswith("#")]
        if not tokens or any(len(token) < _MIN_LENGTH for token in tokens):
            raise ServingConfigError(
                f"{path} needs one token of {_MIN_LENGTH} or more characters per line. Run: openssl rand -hex 32"
            )
        return cls(tokens)

    def allows(self, header: bytes) -> bool:
        """True if an Authorization header carries one of the tokens."""
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer":
            return False
        digest = hashlib.sha256(token.strip()).digest()
        return any([hmac.compare_digest(digest, known) for known in self._digests])
