"""An upper bound of the machines and hours that a job asks for, from its specification alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from hilir.pipeline.spec.deployed import Deployed, find_deployed
from hilir.pipeline.spec.executors import custom_job_of, max_workers, option_of, pools_of
from hilir.pipeline.spec.specification import Specification
from hilir.pipeline.spec.structure import upstream_tasks

# https://cloud.google.com/vertex-ai/docs/pipelines/machine-types: what a step gets that asks for nothing.
DEFAULT_MACHINE = "e2-standard-4"
# Scheduling.timeout (google/cloud/aiplatform/v1/custom_job.proto): seven days where nothing else is said.
DEFAULT_HOURS = 168.0


@dataclass(frozen=True)
class Demand:
    """Machines of one kind that a step asks for: how many, how often it may be tried, hours per attempt at most."""

    step: str
    machine: str
    count: int
    attempts: int
    hours: float

    @property
    def machine_hours(self) -> float:
        """The most machine-hours there can be."""
        return self.count * self.attempts * self.hours


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
    def lines(self) -> list[str]:
        """A table for the screen."""
        rows = [("step", "machines", "attempts", "hours each", "machine-hours")]
        rows += [
            (d.step, f"{d.count} x {d.machine}", str(d.attempts), f"{d.hours:g}", f"{d.machine_hours:g}")
            for d in self.demands
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return [
            *table,
            f"at most {self.machine_hours:,.0f} machine-hours",
            *(deployed.line for deployed in self.deployed),
            f"(a step without a limit of its own is ended after {DEFAULT_HOURS:g} h; one that asks for no machine gets "
            f"{DEFAULT_MACHINE})",
        ]


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
    hours = float(str(scheduling.get("timeout") or f"{DEFAULT_HOURS * 3600}s").rstrip("s")) / 3600
    for pool in pools_of(spec):
        machine = pool.get("machine_spec") or pool.get("machineSpec") or {}
        kind = machine.get("machine_type") or machine.get("machineType") or DEFAULT_MACHINE
        accelerator = machine.get("accelerator_type") or machine.get("acceleratorType")
        if accelerator:
            count = machine.get("accelerator_count") or machine.get("acceleratorCount") or 1
            kind += f" with {int(count)} {accelerator}"
        replicas = int(pool.get("replica_count") or pool.get("replicaCount") or 1)
        yield Demand(f"{name} (training)", kind, replicas, attempts, hours)


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
