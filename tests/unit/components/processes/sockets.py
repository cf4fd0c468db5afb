"""The sockets on which processes listen, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_LISTENS = "0A"


def list_tcp_listeners(processes: Iterable[int]) -> list[str]:
    """Returns the addresses, in hexadecimal, of the TCP sockets on which the processes listen."""
    listening = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS:
                listening[fields[9]] = fields[1]
    return sorted(listening[each] for pid in processes for each in _sockets(pid) if each in listening)


def list_unix_folders(pid: int) -> list[int]:
    """Returns the modes of the folders with the UNIX sockets on which a process listens."""
    owned = set(_sockets(pid))
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    # Flags 00010000: listens (__SO_ACCEPTCON).
    paths = {fields[7] for fields in lines if len(fields) > 7 and fields[3] == "00010000" and fields[6] in owned}
    return [os.stat(folder).st_mode & 0o777 for folder in sorted({os.path.dirname(path) for path in paths})]


def _sockets(pid: int) -> Iterator[str]:
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]
