"""Shows a board: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hilir.pipeline.report.board import Board, Node
from hilir.pipeline.report.step_figures import describe_made
from hilir.pipeline.report.terminal import show_controls

_MARKS = {
    "waiting": ("·", "dim"),
    "running": ("▶", "cyan"),
    "cached": ("=", "blue"),
    "done": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}


class LiveView:
    """A table that changes while the run continues."""

    def __init__(self, board: Board, stream: TextIO) -> None:
        self._board = board
        self._live = Live(
            console=Console(file=stream), get_renderable=self._table, refresh_per_second=4, transient=False
        )

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("")
        table.add_column("step", no_wrap=True)
        table.add_column("state", no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
        table.add_column("made", overflow="fold")
        for node in list(self._board.nodes.values()):
            mark, style = _MARKS[node.state]
            seconds = f"{node.elapsed():.1f}" if node.state not in ("waiting", "skipped") else ""
            table.add_row(
                Text(mark, style),
                Text(node.id, style),
                Text(node.state, style),
                seconds,
                Text(show_controls(describe_made(node.made))),
            )
        return table


class LineView:
    """One line when a step starts, when it reports figures, and when it ends."""

    def __init__(self, board: Board, stream: TextIO) -> None:
        self._stream = stream
        board.listeners.append(self._changed)

    def __enter__(self) -> LineView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def _changed(self, node: Node) -> None:
        seconds = f" ({node.elapsed():.1f} s)" if node.state in ("done", "cached", "failed") else ""
        made = f": {describe_made(node.made)}" if node.made else ""
        if node.state == "skipped":
            return
        print(show_controls(f"{node.id} {node.state}{seconds}{made}"), file=self._stream, flush=True)


def view(board: Board, stream: TextIO) -> AbstractContextManager[object]:
    """Returns the view that fits the stream."""
    return LiveView(board, stream) if stream.isatty() else LineView(board, stream)
