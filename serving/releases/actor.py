"""Who runs a command: what the history calls the actor."""

from __future__ import annotations

import os
import pwd
import re
import socket
from pathlib import Path

VARIABLE = "HILIR_ACTOR"
"""Environment variable that names the actor where the user does not, for example in CI."""

_LONGEST = 200


def find_actor(token_file: str | None = None) -> str:
    """Returns the actor: that of the environment, else the token file's name, else user@host.

    A name from outside is put on one line of printable characters.
    """
    given = os.environ.get(VARIABLE) or (f"token {Path(token_file).stem}" if token_file else "")
    return make_printable(given) or make_printable(f"{_user()}@{socket.gethostname()}")


def make_printable(text: str, longest: int = _LONGEST) -> str:
    """Returns a text without what a terminal would obey: each run of such characters becomes a space.

    What is longer ends in an ellipsis.
    """
    shown = "".join(character if character.isprintable() else "\n" for character in text)
    line = re.sub(r"\s+", " ", shown).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # A container may run as a number that nobody has named.
        return str(os.getuid())
