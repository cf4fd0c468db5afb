"""Finds a step's parts in a compiled job."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

Json = dict[str, Any]


def tasks(job: Json) -> Iterator[tuple[str, Json]]:
    """Yields each task of each dag with its name."""
    spec = job["pipelineSpec"]
    for component in [spec["root"], *spec.get("components", {}).values()]:
        yield from component.get("dag", {}).get("tasks", {}).items()


def find_task(job: Json, step: str) -> Json | None:
    """Returns the task of that name, if there is one."""
    return next((task for name, task in tasks(job) if name == step), None)


def containers(job: Json) -> Iterator[tuple[str, Json]]:
    """Yields (step, container) of each step that runs in a container."""
    spec = job["pipelineSpec"]
    for name, task in tasks(job):
        component = spec["components"].get(task["componentRef"]["name"], {})
        executor = spec["deploymentSpec"]["executors"].get(component.get("executorLabel"), {})
        if "container" in executor:
            yield name, executor["container"]


def unknown_steps(place: str, names: Iterator[str] | list[str], known: list[str]) -> list[str]:
    """Returns a sentence for each name that is not a step."""
    faults = []
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"the steps are {', '.join(known)}"
            faults.append(f"{place}: there is no step '{name}'; {hint}")
    return faults
