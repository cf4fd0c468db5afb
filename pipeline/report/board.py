"""The state of a run while it runs; a runner writes to it, a view reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["waiting", "running", "cached", "done", "failed", "skipped"]


@dataclass
class Node:
    """One step: its state, when it started (seconds of the monotonic clock), how long it took, what it made."""

    id: str
    state: State = "waiting"
    started: float | None = None
    seconds: float = 0.0
    made: dict[str, Any] = field(default_factory=dict)

    def elapsed(self) -> float:
        """Returns the seconds that the node has taken so far."""
        if self.state == "running" and self.started is not None:
            return time.monotonic() - self.started
        return self.seconds


class Board:
    """The nodes of a run in the order they are listed, and who wants to hear of a change."""

    def __init__(self, run_id: str, nodes: list[str], edges: Sequence[tuple[str, str]] = ()) -> None:
        """`edges` are (node, node that waits for it).

        Each of `listeners` is called with a node after each change of it, from the thread that changed it. `about` is
        what is known of the run's origin: `code`, `packages`.
        """
        self.run_id = run_id
        self.nodes = {name: Node(name) for name in nodes}
        self.edges = tuple(edges)
        self.listeners: list[Callable[[Node], None]] = []
        self.about: dict[str, Any] = {}
        self.began = time.monotonic()
        self.started_at = time.time()

    def start(self, name: str) -> None:
        """Marks the node as running."""
        node = self.nodes[name]
        node.state, node.started = "running", time.monotonic()
        self._announce(node)

    def finish(self, name: str, state: State, made: dict[str, Any] | None = None) -> None:
        """Gives the node its last state and what it made."""
        node = self.nodes[name]
        node.seconds = node.elapsed() if node.started is not None else 0.0
        node.state = state
        node.made |= made or {}
        self._announce(node)

    def report(self, name: str, figures: dict[str, Any]) -> None:
        """Adds figures to what the node has made so far."""
        node = self.nodes[name]
        node.made |= figures
        self._announce(node)

    def _announce(self, node: Node) -> None:
        for listener in self.listeners:
            listener(node)

    def running(self) -> str | None:
        """Returns the first node that is running, if any."""
        return next((node.id for node in self.nodes.values() if node.state == "running"), None)

    def seconds(self) -> float:
        """Returns the seconds since the run began."""
        return time.monotonic() - self.began
