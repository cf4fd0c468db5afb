"""A directed graph of a few nodes in layers, from left to right: the steps of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hilir.analysis.plot.svg import chart, element, number, text

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 118, 40, 34, 16


@dataclass(frozen=True)
class Node:
    """A node: its name, a line below it, and a class of the style sheet (done, cached, failed)."""

    name: str
    detail: str = ""
    state: str = ""


def draw_graph(title: str, nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> str:
    """Returns the graph; `edges` are (from, to), and those of unknown nodes are left out.

    Raises:
        ValueError: the graph has a cycle.
    """
    names = [node.name for node in nodes]
    known = [(start, end) for start, end in edges if start in names and end in names and start != end]
    layers = _order(_layers(names, known), known)
    places = {
        name: (column * (_WIDTH + _GAP_X) + 2.0, row * (_HEIGHT + _GAP_Y) + 2.0)
        for column, layer in enumerate(layers)
        for row, name in enumerate(layer)
    }
    width = len(layers) * (_WIDTH + _GAP_X) - _GAP_X + 4
    height = max((len(layer) for layer in layers), default=0) * (_HEIGHT + _GAP_Y) - _GAP_Y + 4
    parts = [_edge(places[start], places[end]) for start, end in known]
    parts += [part for node in nodes for part in _box(node, *places[node.name])]
    described = ", ".join(f"{node.name} {node.state or node.detail}".strip() for node in nodes)
    return chart(title, described, width, max(height, 4), parts)


def _layers(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Returns the nodes by the length of the longest path to them."""
    before: Mapping[str, list[str]] = {name: [start for start, end in edges if end == name] for name in names}
    depth: dict[str, int] = {}
    waiting = list(names)
    while waiting:
        ready = [name for name in waiting if all(start in depth for start in before[name])]
        if not ready:
            raise ValueError(f"the graph has a cycle through {', '.join(waiting)}")
        depth |= {name: 1 + max((depth[start] for start in before[name]), default=-1) for name in ready}
        waiting = [name for name in waiting if name not in depth]
    count = max(depth.values(), default=-1) + 1
    return [[name for name in names if depth[name] == layer] for layer in range(count)]


def _order(layers: list[list[str]], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Returns the layers with each node near the middle of those that it comes from (barycentre, two sweeps)."""
    for _ in range(2):
        place = {name: row for layer in layers for row, name in enumerate(layer)}
        for layer in layers[1:]:
            sources = {name: [place[start] for start, end in edges if end == name] for name in layer}
            layer.sort(key=lambda name: (sum(sources[name]) / max(len(sources[name]), 1), name))
            place |= {name: row for row, name in enumerate(layer)}
    return layers


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT / 2
    x2, y2 = end[0], end[1] + _HEIGHT / 2
    middle = number((x1 + x2) / 2)
    path = f"M{number(x1)},{number(y1)} C{middle},{number(y1)} {middle},{number(y2)} {number(x2)},{number(y2)}"
    return element("path", d=path, fill="none", class_="grid")


def _box(node: Node, x: float, y: float) -> list[str]:
    state = f"box node {node.state}".strip()
    return [
        element("rect", x=x, y=y, width=float(_WIDTH), height=float(_HEIGHT), rx=6, class_=state),
        text(node.name, x + _WIDTH / 2, y + (16 if node.detail else 24), class_="strong"),
        *([text(node.detail, x + _WIDTH / 2, y + 31)] if node.detail else []),
    ]
