"""What the steps of a job are called on a board."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

from hilir.pipeline.spec.specification import Specification
from hilir.pipeline.spec.structure import upstream_tasks


def node_labels(parsed: Specification) -> dict[tuple[str, ...], str]:
    """Returns what each task that does work is called on the board, by its path of task names, in an order of running.

    A task in an inner dag goes by its own name as long as no other has it.
    """
    paths: list[tuple[str, ...]] = []

    def visit(component: Any, path: tuple[str, ...]) -> None:
        tasks = component.dag.tasks
        graph = {name: sorted(upstream_tasks(tasks[name])) for name in sorted(tasks)}
        for name in TopologicalSorter(graph).static_order():
            inner = parsed.spec.components[tasks[name].component_ref.name]
            if inner.HasField("dag"):
                visit(inner, (*path, name))
            else:
                paths.append((*path, name))

    visit(parsed.spec.root, ())
    names = [path[-1] for path in paths]
    return {path: path[-1] if names.count(path[-1]) == 1 else "/".join(path) for path in paths}


def list_edges(parsed: Specification, labels: Mapping[tuple[str, ...], str]) -> list[tuple[str, str]]:
    """Returns (label, label of what waits for it) of tasks of the same dag; inner dags hang together by themselves."""
    edges: list[tuple[str, str]] = []

    def visit(component: Any, path: tuple[str, ...]) -> None:
        for name, task in sorted(component.dag.tasks.items()):
            inner = parsed.spec.components[task.component_ref.name]
            if inner.HasField("dag"):
                visit(inner, (*path, name))
            pairs = [((*path, before), (*path, name)) for before in sorted(upstream_tasks(task))]
            edges.extend((labels[one], labels[other]) for one, other in pairs if one in labels and other in labels)

    visit(parsed.spec.root, ())
    return edges
