"""The machine-hours that a job is likely to take, and the most that it can, from its specification alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from hilir.pipeline.spec.deployed import Deployed, find_deployed
from hilir.pipeline.spec.executors import custom_job_of, max_workers, option_of, pools_of
from hilir.pipeline.spec.specification import Specification
from hilir.pipeline.spec.structure import upstream_tasks

# https://cloud.google.com/vertex-ai/docs/pipelines/machine-types: what a step gets that asks for nothing.
DEFAULT_MACHINE = "e2-standard-4"
# Scheduling.timeout (google/cloud/aiplatform/v1/custom_job.proto): seven days by default.
DEFAULT_HOURS = 168.0
# A guess, and shown as one: what a step without a limit of its own takes on data of a few gigabytes.
LIKELY_HOURS = 1.0


@dataclass(frozen=True)
class Demand:
    """Machines of one type that a step asks for: how many, how often it may be tried, hours per attempt at most.

    `limited` says that the step has a limit of its own, so that `hours` is not Vertex AI's.
    """

    step: str
    machine: str
    count: int
    attempts: int
    hours: float
    limited: bool = False

    @property
    def machine_hours(self) -> float:
        """The most machine-hours there can be."""
        return self.count * self.attempts * self.hours

    @property
    def likely_machine_hours(self) -> float:
        """The machine-hours of one attempt that takes its own limit, or else an hour."""
        return self.count * (self.hours if self.limited else LIKELY_HOURS)


@dataclass(frozen=True)
class Bound:
    """All demands of a job, and the machines that keep running when it has ended."""

    demands: tuple[Demand, ...]
    deployed: tuple[Deployed, ...] = ()

    @property
    def machine_hours(self) -> float:
        """The most machine-hours there can be."""
        return sum(demand.machine_hours for demand in self.demands)

    @property
    def by_machine(self) -> dict[str, tuple[float, float]]:
        """The likely and the most machine-hours of each type of machine."""
        found: dict[str, tuple[float, float]] = {}
        for demand in self.demands:
            likely, most = found.get(demand.machine, (0.0, 0.0))
            found[demand.machine] = (likely + demand.likely_machine_hours, most + demand.machine_hours)
        return found

    @property
    def lines(self) -> list[str]:
        """Two tables for the screen: the steps, and the machine-hours of each type of machine."""
        steps = [("step", "machines", "attempts", "hours each at most")]
        steps += [(d.step, f"{d.count} x {d.machine}", str(d.attempts), f"{d.hours:g}") for d in self.demands]
        hours = [("machine", "likely machine-hours", "at most")]
        hours += [(kind, f"{likely:,.0f}", f"{most:,.0f}") for kind, (likely, most) in self.by_machine.items()]
        return [
            *_table(steps),
            "",
            *_table(hours),
            "",
            *(deployed.line for deployed in self.deployed),
            f"likely: each step runs once, for as long as its own limit or else for {LIKELY_HOURS:g} h (a guess)",
            f"at most: every attempt fails at its limit, which is {DEFAULT_HOURS:g} h for a step without its own",
            f"A step that asks for no machine gets {DEFAULT_MACHINE}.",
        ]


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def find_bound(parsed: Specification) -> Bound:
    """Returns the bound."""
    return Bound(tuple(_demands(parsed, parsed.spec.root)), tuple(find_deployed(parsed)))


def _demands(parsed: Specification, component: Any) -> Iterator[Demand]:
    tasks = component.dag.tasks
    order = TopologicalSorter({name: sorted(upstream_tasks(tasks[name])) for name in sorted(tasks)})
    for name in order.static_order():
        task = tasks[name]
        inner = parsed.spec.components[task.component_ref.name]
        if inner.HasField("dag"):
            yield from _demands(parsed, inner)
        else:
            yield from _of_task(parsed, name, task, inner)


def _of_task(parsed: Specification, name: str, task: Any, component: Any) -> Iterator[Demand]:
    executor = parsed.deployment.executors[component.executor_label]
    attempts = task.retry_policy.max_retry_count + 1
    if executor.HasField("container"):
        yield Demand(name, _machine(executor.container.resources), 1, attempts, DEFAULT_HOURS)
        yield from _workers(name, list(executor.container.args), attempts)
    custom_job = custom_job_of(executor)
    if custom_job is not None:
        yield from _pools(name, custom_job, attempts)


def _pools(name: str, spec: Mapping[str, Any], attempts: int) -> Iterator[Demand]:
    scheduling = spec.get("scheduling") or {}
    timeout = scheduling.get("timeout")
    hours = float(str(timeout).rstrip("s")) / 3600 if timeout else DEFAULT_HOURS
    for pool in pools_of(spec):
        machine = pool.get("machine_spec") or pool.get("machineSpec") or {}
        kind = machine.get("machine_type") or machine.get("machineType") or DEFAULT_MACHINE
        accelerator = machine.get("accelerator_type") or machine.get("acceleratorType")
        if accelerator:
            count = machine.get("accelerator_count") or machine.get("acceleratorCount") or 1
            kind += f" with {int(count)} {accelerator}"
        replicas = int(pool.get("replica_count") or pool.get("replicaCount") or 1)
        yield Demand(f"{name} (training)", kind, replicas, attempts, hours, limited=bool(timeout))


def _workers(name: str, args: list[str], attempts: int) -> Iterator[Demand]:
    workers = max_workers(args)
    if workers is not None:
        machine = option_of(args, "worker_machine_type") or "n1-standard-1"
        yield Demand(f"{name} (Dataflow)", machine, workers, attempts, DEFAULT_HOURS)


def _machine(resources: Any) -> str:
    asked = [f"{resources.cpu_limit:g} cores"] if resources.cpu_limit else []
    asked += [f"{resources.memory_limit:g} GB"] if resources.memory_limit else []
    accelerator = resources.accelerator
    kind = accelerator.type or accelerator.resource_type
    if kind:
        asked.append(f"{accelerator.count or accelerator.resource_count or 1} {kind}")
    return f"({', '.join(asked)})" if asked else DEFAULT_MACHINE
