"""Which part a process plays in a cluster, from TF_CONFIG or Vertex AI's CLUSTER_SPEC."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hilir.components.errors import TrainingError

# Vertex AI: the order of worker pools is the role; AI Platform called the chief `master`.
# https://cloud.google.com/vertex-ai/docs/training/distributed-training
_TRAINING = {"chief": "chief", "master": "chief", "workerpool0": "chief", "worker": "worker", "workerpool1": "worker"}
_OTHERS = {"ps": "ps", "workerpool2": "ps", "evaluator": "evaluator", "workerpool3": "evaluator"}


@dataclass(frozen=True)
class Role:
    """One process of a training cluster.

    `addresses` holds `host:port` of the chief (if it has a name of its own) and of the workers, and nothing else.
    """

    task: Literal["chief", "worker"]
    index: int
    addresses: Mapping[str, tuple[str, ...]]

    @property
    def is_chief(self) -> bool:
        """Whether this process writes; without a `chief`, TensorFlow's rule is that worker 0 is it."""
        return self.task == "chief" or ("chief" not in self.addresses and self.index == 0)

    @property
    def size(self) -> int:
        """The number of processes that train."""
        return sum(len(hosts) for hosts in self.addresses.values())

    @property
    def rank(self) -> int:
        """The position of this process, the chief being 0."""
        return self.index + (len(self.addresses.get("chief", ())) if self.task == "worker" else 0)

    @property
    def name(self) -> str:
        """For people: `chief` or `worker 1`."""
        return "chief" if self.task == "chief" else f"worker {self.index}"


def read_role(environment: Mapping[str, str]) -> Role | None:
    """Returns the role that the environment gives this process, or None where it trains alone.

    TF_CONFIG wins over CLUSTER_SPEC. A cluster may have one process only.

    Raises:
        TrainingError: the variable cannot be read, or it names a task that does not train.
    """
    for variable in ("TF_CONFIG", "CLUSTER_SPEC"):
        text = environment.get(variable, "").strip()
        if text:
            return _read(variable, text)
    return None


def make_local_role(index: int, ports: list[int]) -> Role:
    """Returns the role of the worker `index` of a cluster on this machine."""
    return Role("worker", index, {"worker": tuple(f"127.0.0.1:{port}" for port in ports)})


def _read(variable: str, text: str) -> Role | None:
    try:
        content = json.loads(text)
        cluster: dict[str, Any] = content.get("cluster", {})
        task = content.get("task", {})
        kind, index = str(task.get("type", "")), int(task.get("index", 0))
    except (ValueError, AttributeError, TypeError) as error:
        raise TrainingError(
            f"the environment variable {variable} cannot be read ({error}); "
            f'it must look like {{"cluster": {{"worker": ["host:port"]}}, "task": {{"type": "worker", "index": 0}}}}'
        ) from None
    if not cluster:
        return None
    if kind in _OTHERS:
        raise TrainingError(
            f"{variable}: this process is the task '{kind}' ({_OTHERS[kind]}), which synchronous training does not "
            f"have; give only a chief and workers (the worker pools 0 and 1)"
        )
    addresses: dict[str, tuple[str, ...]] = {}
    for name in ("chief", "worker"):
        hosts = [str(host) for key in cluster if _TRAINING.get(key) == name for host in cluster[key]]
        if hosts:
            addresses[name] = tuple(hosts)
    task_name = _TRAINING.get(kind)
    if task_name is None or not 0 <= index < len(addresses.get(task_name, ())):
        raise TrainingError(
            f"{variable}: the task '{kind}' {index} is not in the cluster, which has {', '.join(sorted(cluster))}; "
            f"make task.type and task.index name one of its addresses"
        )
    return Role("chief" if task_name == "chief" else "worker", index, addresses)
