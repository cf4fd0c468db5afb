"""The one decision where a graph runs: on the event loop if that is quick, else on a thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hilir.serving.server.servables.servable import Run

# A thread hand-over costs about 0.1 ms; a run on the loop delays every other request by its own time.
_SECONDS = 0.001
_ELEMENTS = 1 << 15


def runs_inline(run: Run, requests: Iterable[Sequence[np.ndarray]]) -> bool:
    """True if the requests' arrays may be run on the event loop, together."""
    if not run.bounded or run.cost >= _SECONDS:
        return False
    return sum([array.size for arrays in requests for array in arrays]) <= _ELEMENTS
