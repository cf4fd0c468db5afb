"""Files with secrets are for their owner only."""

from __future__ import annotations

import os

from hilir.serving.errors import ServingConfigError

_EVERYBODY = 0o004


def check_private(path: str, what: str) -> None:
    """Refuse a secret that everybody can read.

    Args:
        path: the file.
        what: what it is, for the message.

    Raises:
        OSError: it cannot be looked at.
        ServingConfigError: everybody can read it.
    """
    if os.stat(path).st_mode & _EVERYBODY:
        raise ServingConfigError(f"Everybody can read the {what} {path}. Run: chmod 600 {path}")
