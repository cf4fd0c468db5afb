"""`hilir watch` from a checked configuration to the end of the daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hilir.pipeline.config.schema import Config
from hilir.pipeline.run.checks import require
from hilir.pipeline.triggers.daemon.build_daemon import (
    make_environment,
    make_limits,
    make_program,
    make_release,
    make_server,
    make_triggers,
    require_watchable,
    state_folder,
)
from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.daemon.daemon_status import describe
from hilir.pipeline.triggers.daemon.ledger import find_open, forget_triggers
from hilir.pipeline.triggers.daemon.watcher import Watcher, alone
from hilir.serving.web import WebServer

_SILENT_SECONDS = 60.0


def follow(
    config: Config, path: str, overlays: Sequence[str], settings: Sequence[str], log: Callable[[str], None]
) -> None:
    """Follows the triggers until SIGTERM or Ctrl-C.

    Args:
        config: the checked configuration.
        path: the file it came from, which the runs read again.
        overlays: and those on top.
        settings: and what the command line set.
        log: gets a line for each thing that happens.

    Raises:
        ConfigError: a trigger cannot work, or another daemon follows the model.
    """
    require_watchable(config)
    if not config.watch.program:
        require(config)
    with alone(state_folder(config)):
        state = State(state_folder(config))
        triggers = make_triggers(config, state)
        forget_triggers(state, [trigger.name for trigger in triggers])
        program = make_program(config, path, overlays, settings)
        release, environment = make_release(config, path, overlays, settings), make_environment(config)
        watcher = Watcher(state, triggers, make_limits(config), program, log, release=release, environment=environment)
        server = make_server(
            config, state, lambda: describe(state), lambda: time.monotonic() - watcher.ticked < _SILENT_SECONDS
        )
        with _serving(server) as watcher.address:
            names = ", ".join(trigger.name for trigger in triggers)
            log(f"watching {config.model.name}: {names} (state: {state.folder})")
            if watcher.address:
                log(f"calls: POST {watcher.address}/runs (watch.http)")
            watcher.follow()
        underway = find_open(state)
        if underway is not None:
            log(f"run {underway.run} continues by itself; the next 'hilir watch' records its end")


@contextmanager
def _serving(server: WebServer | None) -> Iterator[str | None]:
    """Serves in a thread; gives the address."""
    if server is None:
        yield None
        return
    with server:
        yield server.url
