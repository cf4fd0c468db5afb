"""Ports, taken before anything is loaded, so that a second server stops at once; and how many files may be open."""

from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Callable, Sequence

from hilir.serving.errors import ServingStartError


def port_taken(address: str, protocol: str, flag: str, reason: str) -> ServingStartError:
    """The error of an address that cannot be listened on."""
    return ServingStartError(
        f"Can't listen on {address} for {protocol}: {reason}. Is another server running? Choose another {flag}."
    )


def bind(hosts: Sequence[str], port: int, protocol: str, flag: str) -> list[socket.socket]:
    """Sockets that are bound and do not listen yet, one per address; none for port 0.

    A client is refused until they listen. An address that this machine does not have, such as `::1` without IPv6, is
    left out if there is another one.

    Raises:
        ServingStartError: a port is taken, or a host has no address here.
    """
    bound: list[socket.socket] = []
    for host in hosts if port else ():
        try:
            for family, kind, number, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                bound += _bind(socket.socket(family, kind, number), address, required=not bound)
        except OSError as error:
            close(bound)
            shown = f"[{host}]" if ":" in host else host
            raise port_taken(f"{shown}:{port}", protocol, flag, error.strerror or str(error)) from None
    return bound


def _bind(sock: socket.socket, address: tuple[object, ...], required: bool) -> list[socket.socket]:
    """The socket, bound; nothing if it need not be and this machine has no such address."""
    try:
        # Connections of a server that has just ended do not keep its port; one that listens does.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL and not required:
            return []
        raise
    return [sock]


def close(sockets: Sequence[socket.socket]) -> None:
    """Give the ports back."""
    for sock in sockets:
        sock.close()


# Models, logs, epoll, the interpreter's own: seen below 150.
_OTHER_FILES = 512


def raise_open_files(connections: int, say: Callable[[str], None]) -> None:
    """Let this process open as many files as its connections need, or report that it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        say(
            f"This process may open {allowed:,} files, and {connections:,} connections may need {wanted:,}: lower "
            f"--max-connections, or raise the limit (ulimit -Hn, LimitNOFILE= of systemd)."
        )
