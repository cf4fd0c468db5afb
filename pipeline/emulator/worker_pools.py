"""Training jobs with worker pools: one local process per replica, with the variables that Vertex AI sets.

TF_CONFIG has `chief`, `worker` and `ps`, an evaluator only as a task; CLUSTER_SPEC has `workerpool0` to `workerpool3`
(https://cloud.google.com/vertex-ai/docs/training/distributed-training#cluster-variables). A pool's place is its role.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from hilir.components.processes.process import Starter, describe_exit, make_environment, wait
from hilir.pipeline.emulator.errors import StepError
from hilir.pipeline.emulator.step_log import read_reason

Json = Mapping[str, Any]

_ROLES = ("chief", "worker", "ps", "evaluator")
_REFUSED = ("nfs_mounts", "lustre_mounts", "python_package_spec")
_RESTARTS = 3
# A Struct knows no integers, and a placeholder is filled when the job starts.
_COUNT = re.compile(r"[0-9]{1,9}(\.0)?|\{\{\$.*\}\}")
_TIMEOUT = re.compile(r"([0-9]{1,9}(\.[0-9]+)?s?|\{\{\$.*\}\})?")


@dataclass(frozen=True)
class Replica:
    """One process of a training job."""

    pool: int
    index: int
    argv: list[str]
    environment: dict[str, str]

    @property
    def name(self) -> str:
        """The replica's name as logs have it: workerpool1-0."""
        return f"workerpool{self.pool}-{self.index}"


def find_refusals(place: str, job: Json) -> Iterator[str]:
    """Yields what of a CustomJob (JSON values, any case) is not emulated."""
    job = _snake(job)
    spec = job.get("job_spec", job)
    if not _has_shape(spec):
        yield f"{place}: the custom job has other values than Vertex AI's API has; compile again"
        return
    pools = _pools(job)
    if not pools:
        yield f"{place}: the custom job has no worker pool"
        return
    if pools[0].get("replica_count", 1) not in (1, "1"):
        yield f"{place}: the first pool of a custom job is the chief and has one replica"
    if len(pools) > len(_ROLES):
        yield f"{place}: a custom job has at most {len(_ROLES)} pools"
    for number, pool in enumerate(pools):
        for feature in _REFUSED:
            if pool.get(feature):
                yield f"{place}, pool {number}: {feature} is not emulated"
        container = pool.get("container_spec", {})
        if pool and not container.get("command"):
            yield f"{place}, pool {number}: has no command, and the entry point of an image is not known without it"
        if "reductionserver" in str(container.get("image_uri", "")):
            yield f"{place}, pool {number}: the reduction server is not emulated; leave the pool out"


def run_custom_job(
    job: Json, starter: Starter, log: Path, cancel: Event, on_poll: Callable[[], None] = lambda: None
) -> None:
    """Runs all replicas of a CustomJob (JSON values of its API, placeholders filled) until they have ended.

    A replica that fails ends the job; with `restart_job_on_worker_restart` all are started again, three times at most.

    Args:
        job: `job_spec` with `worker_pool_specs` and `scheduling`, names in snake or camel case.
        starter: what starts the processes.
        log: the chief's output goes here, that of others next to it, `<name>.workerpool1-0.log`.
        cancel: ends the job when set.
        on_poll: called now and then meanwhile.

    Raises:
        StepError: a replica failed, or the job's timeout is over.
        Canceled: `cancel` was set.
    """
    job = _snake(job)
    scheduling = job.get("job_spec", job).get("scheduling", {})
    seconds = _seconds(scheduling.get("timeout"))
    attempts = _RESTARTS if scheduling.get("restart_job_on_worker_restart") else 0
    for attempt in range(attempts + 1):
        replicas = make_replicas(_pools(job))
        logs = [log if replica.name == "workerpool0-0" else _beside(log, replica.name) for replica in replicas]
        children = [
            starter.start(replica.argv, replica.environment, file) for replica, file in zip(replicas, logs, strict=True)
        ]
        try:
            codes = wait(children, cancel, seconds, on_poll)
        except TimeoutError:
            raise StepError(f"the training job's timeout of {seconds:g} s is over; all replicas were ended") from None
        failed = next((number for number, code in enumerate(codes) if code not in (0, -15)), None)
        failed = next((number for number, code in enumerate(codes) if code), None) if failed is None else failed
        if failed is None:
            return
        if attempt == attempts:
            reason = read_reason(logs[failed])
            how = f"{replicas[failed].name} {describe_exit(codes[failed])}"
            raise StepError(f"{how}: {reason}" if reason else f"{how} (log: {logs[failed]})")


def make_replicas(pools: Sequence[Json]) -> list[Replica]:
    """Returns the replicas of the pools with their command lines and cluster variables, on free ports of 127.0.0.1."""
    counts = [int(pool.get("replica_count", 1)) if pool.get("container_spec") else 0 for pool in pools]
    addresses = _free_addresses(counts)
    replicas = []
    for number, pool in enumerate(pools):
        for index in range(counts[number]):
            container = pool["container_spec"]
            variables = {entry["name"]: str(entry.get("value", "")) for entry in container.get("env", [])}
            variables |= _cluster_variables(addresses, number, index)
            argv = [*container["command"], *container.get("args", [])]
            replicas.append(Replica(number, index, argv, make_environment(variables)))
    return replicas


def _cluster_variables(addresses: list[list[str]], pool: int, index: int) -> dict[str, str]:
    roles = {_ROLES[number]: hosts for number, hosts in enumerate(addresses) if hosts and _ROLES[number] != "evaluator"}
    pools = {f"workerpool{number}": hosts for number, hosts in enumerate(addresses) if hosts}
    task = {"type": _ROLES[pool], "index": index}
    # A job of one pool calls its task `chief` (tfx/extensions/google_cloud_ai_platform/tuner/executor.py).
    place = {"type": f"workerpool{pool}" if len(pools) > 1 else "chief", "index": index}
    return {
        "TF_CONFIG": json.dumps({"cluster": roles, "task": task, "environment": "cloud"}),
        "CLUSTER_SPEC": json.dumps({"cluster": pools, "task": place, "environment": "cloud"}),
    }


def _free_addresses(counts: Sequence[int]) -> list[list[str]]:
    with ExitStack() as held:
        addresses = []
        for count in counts:
            hosts = []
            for _ in range(count):
                listener = held.enter_context(socket.socket())
                listener.bind(("127.0.0.1", 0))
                hosts.append(f"127.0.0.1:{listener.getsockname()[1]}")
            addresses.append(hosts)
        return addresses


def _has_shape(spec: Any) -> bool:
    """Returns whether messages are keys and values, and numbers are numbers or placeholders."""
    if not isinstance(spec, Mapping) or not isinstance(spec.get("worker_pool_specs", []), list):
        return False
    scheduling, pools = spec.get("scheduling", {}), spec.get("worker_pool_specs", [])
    if not all(isinstance(part, Mapping) for part in (scheduling, *pools)):
        return False
    containers = [pool.get("container_spec", {}) for pool in pools]
    if not all(isinstance(container, Mapping) for container in containers):
        return False
    counts = all(_COUNT.fullmatch(str(pool.get("replica_count", 1))) for pool in pools)
    return (
        counts
        and _TIMEOUT.fullmatch(str(scheduling.get("timeout", ""))) is not None
        and all(_has_words(container) for container in containers)
    )


def _has_words(container: Json) -> bool:
    words = [container.get("command", []), container.get("args", [])]
    variables = container.get("env", [])
    return (
        all(isinstance(part, list) and all(isinstance(word, str) for word in part) for part in words)
        and isinstance(variables, list)
        and all(isinstance(entry, Mapping) and isinstance(entry.get("name"), str) for entry in variables)
    )


def _pools(job: Json) -> list[Json]:
    spec = job.get("job_spec", job)
    return list(spec.get("worker_pool_specs", []))


def _beside(log: Path, name: str) -> Path:
    return log.with_name(f"{log.stem}.{name}{log.suffix}")


def _seconds(timeout: Any) -> float | None:
    if not timeout:
        return None
    return float(str(timeout).removesuffix("s"))


def _snake(value: Any, key: str = "") -> Any:
    """Returns JSON values with the API's names in snake case; the names of labels stay."""
    if isinstance(value, Mapping):
        return {
            name if key == "labels" else re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower(): _snake(inner, name)
            for name, inner in value.items()
        }
    return [_snake(inner) for inner in value] if isinstance(value, (list, tuple)) else value
