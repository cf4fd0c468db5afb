"""How much of the GPUs' memory TensorFlow takes; to be set before it first uses them."""

from __future__ import annotations

import logging
import os

import tensorflow as tf

from hilir.components.trainer.settings import GpuMemory, MemoryLimit

GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
"""TensorFlow's environment variable: `true` takes memory as it is needed, in every process that inherits it."""


def set_gpu_memory(memory: GpuMemory) -> None:
    """Sets what this process and those that it starts take: all of it, as much as they need, or at most a limit each.

    Without effect on machines without GPUs. Where TensorFlow has used the GPUs already they stay as they are, and a
    warning is logged.
    """
    os.environ[GROWTH] = describe_growth(memory)
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            if isinstance(memory, MemoryLimit):
                limited = tf.config.LogicalDeviceConfiguration(memory_limit=memory.limit_mb)
                tf.config.set_logical_device_configuration(gpu, [limited])
            else:
                tf.config.experimental.set_memory_growth(gpu, memory == "growth")
    except RuntimeError:
        logging.getLogger(__name__).warning(
            "train.gpu_memory has no effect: TensorFlow already uses the GPUs in this process"
        )


def describe_growth(memory: GpuMemory) -> str:
    """Returns the value of the environment variable `GROWTH`."""
    return "false" if memory == "all" else "true"
