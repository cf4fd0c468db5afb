"""Threads that load versions and free them, apart from the thread that decides."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hilir.serving.server.servables.servable import Servable
from hilir.serving.server.servables.storage.completeness import find_contradiction
from hilir.serving.server.servables.storage.listing import Fingerprint, fingerprint
from hilir.serving.server.status import Code, StatusError

logger = logging.getLogger(__name__)
# Unloading waits for requests; it must not wait behind a load.
_UNLOAD_THREADS = 2

Load = Callable[[str, int, str], Servable]
Loaded = Callable[[Servable | StatusError, Fingerprint], None]


class LoadPool:
    """Loads and unloads in threads of its own.

    Args:
        load: loads and warms up (model, version, path).
        unloaded: called after a version was freed.
        load_threads: versions that are loaded at a time.
    """

    def __init__(self, load: Load, unloaded: Callable[[], None], load_threads: int) -> None:
        self._load_servable = load
        self._unloaded = unloaded
        self._loads = ThreadPoolExecutor(max(1, load_threads), "load")
        self._unloads = ThreadPoolExecutor(_UNLOAD_THREADS, "unload")

    def load(self, model: str, version: int, path: str, done: Loaded) -> None:
        """Load a version; `done` gets it, or why that failed, and what its files looked like before."""
        self._loads.submit(self._load, model, version, path, done)

    def unload(self, close: Callable[[], None], done: Callable[[], None]) -> None:
        """Call `close`, which frees a version once no request holds it, then `done`."""
        self._unloads.submit(self._unload, close, done)

    def stop(self) -> None:
        """Drop the loads that have not started, and wait for everything else."""
        self._loads.shutdown(cancel_futures=True)
        self._unloads.shutdown()

    def _load(self, model: str, version: int, path: str, done: Loaded) -> None:
        before = fingerprint(path)
        try:
            contradiction = find_contradiction(path)
            if contradiction is not None:
                raise StatusError(Code.FAILED_PRECONDITION, f"{path} is not complete: {contradiction}")
            servable = self._load_servable(model, version, path)
        except StatusError as error:
            done(error, before)
        except Exception as error:
            logger.exception("loading %s version %d", model, version)
            done(StatusError(Code.INTERNAL, repr(error)), before)
        else:
            done(servable, before)

    def _unload(self, close: Callable[[], None], done: Callable[[], None]) -> None:
        close()
        done()
        self._unloaded()
