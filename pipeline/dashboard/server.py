"""Serves the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hilir.pipeline.dashboard.actions import Targets
from hilir.pipeline.dashboard.dashboard_app import make_app
from hilir.pipeline.dashboard.security import Guard
from hilir.pipeline.dashboard.workplace import Workplace
from hilir.pipeline.errors import ConfigError
from hilir.serving.server.security.private import check_private
from hilir.serving.web import WebServer

_SHORTEST_TOKEN = 16


def make_server(
    address: tuple[str, int], workplace: Workplace, guard: Guard, targets: Targets, names: Sequence[str] = ()
) -> WebServer:
    """Returns a server of the dashboard, which listens already.

    Args:
        address: host and port; a host that is not loopback may be called by that name, too.
        workplace: the folders that it shows.
        guard: what protects changes.
        targets: the servers that a release talks to.
        names: further names by which it may be called.

    Raises:
        ConfigError: the address is taken or not of this machine.
    """
    app = make_app(workplace, guard, targets, frozenset({address[0], *names}))
    try:
        return WebServer(app, address)
    except OSError as error:
        raise ConfigError(
            f"{address[0]}:{address[1]}: cannot be listened on ({error.strerror}); give another --port or --host"
        ) from None


def read_token(path: Path) -> str:
    """Returns the token in a file.

    Raises:
        ConfigError: it is too short to be one.
        ServingConfigError: everybody can read it.
    """
    check_private(str(path), "token file")
    token = path.read_text(encoding="utf-8").strip()
    if len(token) < _SHORTEST_TOKEN:
        raise ConfigError(
            f"--token-file {path}: has {len(token)} characters, a token needs at least {_SHORTEST_TOKEN}; "
            f"make one with 'openssl rand -hex 16 > {path}'"
        )
    return token
