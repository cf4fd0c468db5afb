"""Where each tool is, what it is made from, and how it is made once."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from hilir.setup.errors import SetupError

DATA = Path(__file__).resolve().parent / "data"
"""The files that tools are made from; in a clone they are links."""

MADE_FROM = {
    "installer": ("tools.txt",),
    "tfjs": ("tfjs.txt",),
    "browser": ("package.json", "package-lock.json", "npmrc"),
}
"""Tool -> the files in `DATA` that decide what is in it."""


def find_folder(name: str) -> Path:
    """Returns the folder of a tool, whether it is there or not.

    That is `$HILIR_TOOLS/NAME` where the variable is set, as in the image; else a folder below the user's cache
    (https://specifications.freedesktop.org/basedir-spec), whose name changes with what the tool is made from.
    """
    given = os.environ.get("HILIR_TOOLS")
    if given:
        return Path(given) / name
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    digest = sha256(b"".join((DATA / file).read_bytes() for file in MADE_FROM[name])).hexdigest()
    return Path(cache) / "hilir" / f"{name}-{digest[:12]}"


def is_complete(folder: Path) -> bool:
    """Says whether the making of a tool has come to its end."""
    return (folder / ".complete").exists()


def make_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Returns the folder after `make` has filled it, now or earlier.

    `make` continues what an interrupted call left. A second call waits for the first, in another process too.

    Raises:
        SetupError: `make` failed, or the folder cannot be written.
    """
    if is_complete(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with Path(f"{folder}.lock").open("w") as lock:
            # The programs of `run` inherit the lock: when this process is killed, the next one waits for them.
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.set_inheritable(lock.fileno(), True)
            if not is_complete(folder):
                make(folder)
                (folder / ".complete").touch()
    except OSError as error:
        given = "HILIR_TOOLS" in os.environ
        remedy = (
            "make it where the folder of HILIR_TOOLS can be written, or use the image that has it"
            if given
            else "set XDG_CACHE_HOME to a folder that can be written"
        )
        raise SetupError(f"{folder}: is missing and cannot be made ({error.strerror}); {remedy}") from None
    return folder


def run(command: Sequence[str | Path], what: str, folder: Path | None = None) -> None:
    """Runs a program of a set-up.

    Raises:
        SetupError: it failed; the message has the last line that it wrote.
    """
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, close_fds=False
    )
    if done.returncode:
        last = ((done.stderr.strip() or done.stdout.strip()).splitlines() or ["no message"])[-1]
        raise SetupError(f"{what} failed ({last}); correct that and type the command again, which continues")
