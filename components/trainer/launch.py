"""Starts the processes of a training on this machine, and starts them again after a failure."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import tensorflow as tf

from hilir.components.errors import DataRefused, ModelPackageError, TrainingError, UserCodeError
from hilir.components.processes.process import copy_environment
from hilir.components.trainer.callbacks import report_progress
from hilir.components.trainer.distribution.gpu_memory import GROWTH, describe_growth
from hilir.components.trainer.distribution.strategy import Kind
from hilir.components.trainer.distribution.supervisor import Cluster, Failure, Spec
from hilir.components.trainer.state.preemption import Preempted
from hilir.components.trainer.training_job import TrainingJob

_LINES = 15
_COPIED = 100_000


def launch(
    job: TrainingJob,
    kind: Kind,
    workers: int,
    gpus: int = 0,
    *,
    choose_ports: Callable[[int], list[int]] | None = None,
    on_start: Callable[[list[int]], None] = lambda _: None,
) -> None:
    """Trains in `workers` child processes and returns when the export is complete.

    A worker that dies or hangs ends its whole cluster, which is started again on fresh ports and continues from the
    last checkpoint, at most `train.max_restarts` times. No process is left when this returns or raises.

    Args:
        job: the training.
        kind: its strategy.
        workers: number of processes.
        gpus: number of GPUs of this machine, which are divided among the workers.
        choose_ports: gives that many free ports; for tests.
        on_start: is called with the workers' process ids at each start.

    Raises:
        ModelPackageError: as the worker found; UserCodeError if the user's code raised something else.
        TrainingError: the last attempt failed too; the message has the failing worker's error or its last lines.
        Preempted: the workers were asked to stop, and saved a checkpoint.
    """
    restarts = job.settings.max_restarts
    folder = Path(tempfile.mkdtemp(prefix="hilir-train-"))
    try:
        for attempt in range(restarts + 1):
            ports = (choose_ports or find_ports)(workers)
            logs = folder / f"attempt-{attempt + 1}"
            specs = [_spec(job, kind, index, ports, gpus, logs) for index in range(workers)]
            with Cluster(specs, job.settings.timeouts) as cluster:
                on_start(cluster.pids)
                failure = cluster.watch(report_progress)
            if failure is None:
                return
            _copy_log(failure.log)
            _raise_if_final(failure, workers)
            if attempt == restarts:
                raise TrainingError(_explain(failure, restarts, workers, job.run_dir))
            report_progress({"restart": f"{attempt + 1} of {restarts}", "because": failure.summary.partition("\n")[0]})
    finally:
        _keep_logs(folder, job.run_dir)


def find_ports(count: int) -> list[int]:
    """Returns free ports of the loopback interface; all are held until the last is found, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def divide_gpus(index: int, workers: int, gpus: int, visible: str | None = None) -> str | None:
    """Returns CUDA_VISIBLE_DEVICES of a worker: an equal part each, none if there are not enough; None: as it is.

    Every worker of a cluster must have the same number of devices. `visible` is the variable's value now.
    """
    if gpus == 0:
        return None
    names = visible.split(",") if visible else [str(gpu) for gpu in range(gpus)]
    each = gpus // workers
    return ",".join(names[index * each : (index + 1) * each])


def _spec(job: TrainingJob, kind: Kind, index: int, ports: list[int], gpus: int, logs: Path) -> Spec:
    return Spec(
        command=[sys.executable, "-m", "hilir.components.trainer.worker"],
        environment=_environment(index, len(ports), gpus) | {GROWTH: describe_growth(job.settings.gpu_memory)},
        log=logs / f"worker-{index}.log",
        work={"job": job.to_json(), "kind": kind, "index": index, "ports": ports},
    )


def _environment(index: int, workers: int, gpus: int) -> dict[str, str]:
    environment = copy_environment()
    environment["TF_USE_LEGACY_KERAS"] = "1"
    environment["PYTHONUNBUFFERED"] = "1"
    # What is importable here, such as the user's packages in the working directory, must be so there.
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    if workers > 1:
        threads = str(max(1, len(os.sched_getaffinity(0)) // workers) if hasattr(os, "sched_getaffinity") else 1)
        environment.setdefault("TF_NUM_INTRAOP_THREADS", threads)
        environment.setdefault("TF_NUM_INTEROP_THREADS", threads)
    visible = divide_gpus(index, workers, gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    return environment


def _raise_if_final(failure: Failure, workers: int) -> None:
    """Raises what another attempt could not change."""
    if failure.planned and not failure.retry:
        kinds = {"ModelPackageError": ModelPackageError, "DataRefused": DataRefused}
        raise kinds.get(failure.kind, TrainingError)(failure.message)
    if failure.asked_to_stop:
        if signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, signal.SIG_IGN, None):
            # Whoever had a handler of its own before the workers were started shall know of it now.
            signal.raise_signal(signal.SIGTERM)
        raise Preempted
    if not failure.retry:
        raise UserCodeError(failure.message if workers == 1 else failure.summary)


def _explain(failure: Failure, restarts: int, workers: int, run_dir: str) -> str:
    last = "" if failure.kind else f" Its last lines:\n{failure.last_lines(_LINES)}"
    return (
        f"the training on {workers} workers was given up after {restarts} restarts (train.max_restarts): "
        f"{failure.summary}.{last}\n"
        f"All of its lines are below {os.path.join(run_dir, 'workers')}; fix the cause and run again: "
        f"the training continues from its last checkpoint"
    )


def _copy_log(log: Path) -> None:
    """Repeats the end of a failed worker's log, with its traceback, where this process's own messages go."""
    with suppress(OSError):
        text = log.read_text(encoding="utf-8", errors="replace")[-_COPIED:]
        print(f"--- {log.stem} of the training:\n{text}\n--- end of {log.stem}", file=sys.stderr, flush=True)


def _keep_logs(folder: Path, run_dir: str) -> None:
    """Moves the workers' logs to the run's artifact."""
    try:
        for log in sorted(folder.glob("attempt-*/*.log")):
            target = os.path.join(run_dir, "workers", log.parent.name)
            tf.io.gfile.makedirs(target)
            tf.io.gfile.copy(str(log), os.path.join(target, log.name), overwrite=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
