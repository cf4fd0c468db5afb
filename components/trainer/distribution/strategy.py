"""Chooses and makes the distribution strategy."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from hilir.components.errors import TrainingError
from hilir.components.trainer.distribution.cluster import Role
from hilir.components.trainer.settings import TrainSettings

Kind = Literal["one_device", "mirrored", "multi_worker", "tpu"]


@dataclass(frozen=True)
class Machine:
    """What there is to train on; `idle_gpus` are NVIDIA's of which TensorFlow does not know."""

    gpus: int
    tpu: bool
    idle_gpus: int = 0


def look_at_machine(environment: Mapping[str, str] = os.environ, devices: str = "/dev") -> Machine:
    """Returns what this process can use; initialises nothing. TPU VMs have accelerator devices and set TPU_NAME.

    NVIDIA's driver has a file nvidia0, nvidia1, … in `devices` for each GPU; CUDA_VISIBLE_DEVICES may hide them all.
    """
    tpu = "TPU_NAME" in environment or "TPU_ACCELERATOR_TYPE" in environment
    gpus = len(tf.config.list_physical_devices("GPU"))
    hidden = environment.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    idle = 0 if gpus or hidden else len(list(Path(devices).glob("nvidia[0-9]*")))
    return Machine(gpus=gpus, tpu=tpu, idle_gpus=idle)


def check_gpus(machine: Machine, environment: Mapping[str, str] = os.environ) -> None:
    """Checks that TensorFlow knows of the machine's GPUs; warns if it does not.

    Raises:
        TrainingError: it does not, and a platform has started this process, which was asked for GPUs and bills them.
    """
    if not machine.idle_gpus:
        return
    message = (
        f"this machine has {machine.idle_gpus} NVIDIA GPUs, and TensorFlow {tf.__version__} can use none of them: it "
        f"was built without CUDA, or CUDA's libraries are missing. Use hilir's image for GPUs, or "
        f"install hilir[gpu]; to train on the CPU set the environment variable CUDA_VISIBLE_DEVICES to -1"
    )
    if "CLUSTER_SPEC" in environment or "TF_CONFIG" in environment:
        raise TrainingError(message)
    logging.getLogger(__name__).warning("%s", message)


def choose(settings: TrainSettings, role: Role | None, machine: Machine) -> Kind:
    """Returns the strategy that is meant; `auto` takes what the machine has.

    Raises:
        TrainingError: what is asked for does not fit where the process runs.
    """
    in_cluster = role is not None and role.size > 1
    if settings.strategy == "auto":
        if in_cluster or settings.workers is not None:
            return "multi_worker"
        if machine.tpu:
            return "tpu"
        return "mirrored" if machine.gpus > 1 else "one_device"
    if role is not None and in_cluster and settings.strategy != "multi_worker":
        raise TrainingError(
            f"train.strategy is {settings.strategy}, and this process is {role.name} of a cluster of {role.size} "
            f"(TF_CONFIG or CLUSTER_SPEC); set train.strategy to multi_worker or auto, or start one process"
        )
    if settings.strategy == "multi_worker" and role is None and settings.workers is None:
        raise TrainingError(
            "train.strategy is multi_worker, and neither TF_CONFIG nor CLUSTER_SPEC names a cluster; "
            "set train.workers to the number of processes to start on this machine"
        )
    return settings.strategy


def needs_own_process(kind: Kind, settings: TrainSettings, role: Role | None, machine: Machine) -> bool:
    """Whether the training has to be started in child processes.

    Logical CPU devices and collectives can only be set up before TensorFlow is first used, and a pipeline's own
    process has used it; a failed collective would also leave it unusable.
    """
    if kind == "multi_worker":
        return role is None
    return kind == "mirrored" and machine.gpus == 0 and (settings.devices or 1) > 1


def check_compiler(settings: TrainSettings, strategy: tf.distribute.Strategy) -> None:
    """Checks that the training step can be compiled where it is to run.

    Raises:
        TrainingError: XLA has no collectives for CPUs, which several replicas need.
    """
    if not settings.jit_compile or strategy.num_replicas_in_sync == 1:
        return
    if all("CPU" in device.upper() for device in strategy.extended.worker_devices):
        raise TrainingError(
            f"train.jit_compile is true, and the {strategy.num_replicas_in_sync} replicas are CPUs, between which XLA "
            f"cannot sum gradients; set train.jit_compile to false, or train on one device or on GPUs"
        )


def make_strategy(kind: Kind, settings: TrainSettings, role: Role | None) -> tf.distribute.Strategy:
    """Returns the strategy; for multi_worker this must be the first thing that the process does with TensorFlow.

    Raises:
        TrainingError: the devices or the TPU asked for are not there.
    """
    match kind:
        case "one_device":
            return tf.distribute.get_strategy()
        case "mirrored":
            return tf.distribute.MirroredStrategy(_devices(settings.devices))
        case "multi_worker":
            assert role is not None
            return tf.distribute.MultiWorkerMirroredStrategy(_cluster_resolver(role))
        case "tpu":
            return _tpu_strategy(settings.tpu)


def _devices(count: int | None) -> list[str] | None:
    """Returns the devices to mirror on; None: all GPUs, or the CPU."""
    gpus = len(tf.config.list_logical_devices("GPU")) if tf.config.list_physical_devices("GPU") else 0
    if count is None:
        return [f"GPU:{index}" for index in range(gpus)] or ["CPU:0"]
    if gpus >= count:
        return [f"GPU:{index}" for index in range(count)]
    if gpus:
        raise TrainingError(f"train.devices is {count}, and this machine has {gpus} GPUs; set it to {gpus} or less")
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    except RuntimeError:
        # TensorFlow is already running here; it may have the devices from an earlier training.
        if len(tf.config.list_logical_devices("CPU")) < count:
            raise TrainingError(
                f"train.devices is {count}, and TensorFlow is already running with fewer CPU devices in this process; "
                f"start the training in a process of its own"
            ) from None
    return [f"CPU:{index}" for index in range(count)]


def _cluster_resolver(role: Role) -> Any:
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({name: list(hosts) for name, hosts in role.addresses.items()}),
        task_type=role.task,
        task_id=role.index,
        rpc_layer="grpc",
    )


def _tpu_strategy(address: str) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address)
        if address != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"train.strategy is tpu, and the TPU '{address}' cannot be used ({reason}); "
            f"check train.tpu, or set train.strategy to auto"
        ) from None
    return tf.distribute.TPUStrategy(resolver)
