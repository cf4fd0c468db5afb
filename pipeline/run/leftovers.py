"""What a killed run leaves behind, closed and removed by the next one, which holds the pipeline's lock."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def close_open_executions(root: Path) -> int:
    """Cancels the executions that nobody works on any more, and removes what they had begun to write.

    Args:
        root: the pipeline's folder, whose lock the caller holds: no other process runs a step of it.

    Returns:
        How many there were.
    """
    from ml_metadata.proto import metadata_store_pb2

    from hilir.pipeline.run.metadata_store import connection, open_store

    if not (root / "metadata.sqlite").exists():
        return 0
    store = open_store(connection(str(root)))
    states = (metadata_store_pb2.Execution.RUNNING, metadata_store_pb2.Execution.NEW)
    found = [each for each in store.get_executions() if each.last_known_state in states]
    for execution in found:
        # TFX writes to <node>/<output>/<execution>, and for itself to <node>/.system/<what>/<execution>.
        for folder in (*root.glob(f"*/*/{execution.id}"), *root.glob(f"*/.system/*/{execution.id}")):
            shutil.rmtree(folder, ignore_errors=True)
        execution.last_known_state = metadata_store_pb2.Execution.CANCELED
    if found:
        store.put_executions(found)
    return len(found)


@contextmanager
def own_temporary_folder(root: Path) -> Iterator[None]:
    """Gives the run, and the processes it starts, a folder for temporary files; one of a killed run is emptied.

    Args:
        root: the pipeline's folder, whose lock the caller holds.
    """
    # Short, since sockets are made below it, and the same for each run, so that the next one finds it.
    name = hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:12]
    before, known = os.environ.get("TMPDIR"), tempfile.tempdir
    folder = Path(tempfile.gettempdir()) / f"hilir-{os.getuid()}-{name}"
    if _is_ours(folder):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        # Somebody else's, or not all of it could be removed.
        folder = Path(tempfile.mkdtemp(prefix="hilir-"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = known
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Returns whether this is a folder that we made: no link, and no other user's."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
