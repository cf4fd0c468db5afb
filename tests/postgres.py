"""A real PostgreSQL for tests: a cluster of its own, on a free port of this machine."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest

from tests.integration.serving.server_process import free_port

_MISSING = "PostgreSQL is not installed, so that outcomes are tested with SQLite alone: make setup-tools"


class Postgres:
    """A cluster; the user is `hilir`, the password `secret`."""

    def __init__(self, programs: Path, folder: Path):
        self.programs, self.folder, self.port = programs, folder, free_port()
        # PostgreSQL refuses to run as root.
        self.prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.prefix:
            shutil.chown(folder, "postgres")
        password = folder / "password"
        password.write_text("secret\n")
        password.chmod(0o644)
        self._run("initdb", "-D", self.data, "-U", "hilir", "-A", "scram-sha-256", f"--pwfile={password}", "-N")

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off"
        log = f"{self.folder}/log"
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", log, "-o", options, "start", quiet=False)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    def new_database(self) -> str:
        """The URL of a database that nobody else uses."""
        import pg8000.dbapi

        name = f"test_{uuid.uuid4().hex}"
        connection = pg8000.dbapi.connect(
            "hilir", host="127.0.0.1", port=self.port, database="postgres", password="secret"
        )
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
        connection.close()
        return f"postgresql://hilir:secret@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str, quiet: bool = True) -> None:
        # A server that is left running keeps what it inherits: no pipe for it.
        output = subprocess.PIPE if quiet else subprocess.DEVNULL
        done = subprocess.run(
            [*self.prefix, str(self.programs / program), *arguments],
            stdout=output, stderr=output, text=True, check=False, cwd=self.folder, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stdout} {done.stderr}"


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl: Debian keeps them out of PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: folder.parent.name)
    found = shutil.which("initdb")
    folders += [Path(found).resolve().parent] if found else []
    return next((folder for folder in reversed(folders) if (folder / "pg_ctl").exists()), None)


@pytest.fixture(scope="session")
def postgres():
    programs = find_programs()
    if programs is None:
        pytest.skip(_MISSING)
    # The path of a UNIX socket is short, and the user postgres has to reach it.
    folder = Path(tempfile.mkdtemp(prefix="hilir-postgres-"))
    folder.chmod(0o755)
    try:
        cluster = Postgres(programs, folder)
        cluster.start()
        yield cluster
        with contextlib.suppress(AssertionError):
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
