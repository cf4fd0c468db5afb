"""BatchingParameters: TensorFlow Serving's names, defaults and rules (batching/README.md)."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import Any

from hilir.serving.errors import ServingConfigError
from hilir.serving.server.protos import BatchingParameters, read_text_proto


@dataclass(frozen=True)
class BatchOptions:
    """BatchingParameters with its defaults."""

    max_batch_size: int = 1000
    timeout_seconds: float = 0.0
    max_enqueued_batches: int = 10
    threads: int = os.cpu_count() or 1
    thread_pool_name: str = "batch_threads"
    allowed_sizes: tuple[int, ...] = ()
    pad_variable_length: bool = False
    split_large: bool = False


def read_batch_options(path: str) -> BatchOptions:
    """Read a BatchingParameters text proto.

    Raises:
        ServingConfigError: it cannot be read, or its sizes make no sense.
    """
    given = read_text_proto(path, BatchingParameters())
    default = BatchOptions()

    def value(name: str, otherwise: Any) -> Any:
        return getattr(given, name).value if given.HasField(name) else otherwise

    options = BatchOptions(
        max_batch_size=value("max_batch_size", default.max_batch_size),
        timeout_seconds=value("batch_timeout_micros", 0) / 1e6,
        max_enqueued_batches=value("max_enqueued_batches", default.max_enqueued_batches),
        threads=value("num_batch_threads", default.threads),
        thread_pool_name=value("thread_pool_name", default.thread_pool_name),
        allowed_sizes=tuple(given.allowed_batch_sizes),
        pad_variable_length=given.pad_variable_length_inputs,
        split_large=value("enable_large_batch_splitting", False),
    )
    _check(options, path)
    return options


def _check(options: BatchOptions, path: str) -> None:
    sizes = options.allowed_sizes
    problem = ""
    if min(options.max_batch_size, options.max_enqueued_batches, options.threads) < 1:
        problem = "max_batch_size, max_enqueued_batches and num_batch_threads must be positive"
    elif any(later <= earlier for earlier, later in itertools.pairwise(sizes)):
        problem = "allowed_batch_sizes entries must be monotonically increasing"
    elif sizes and sizes[-1] != options.max_batch_size:
        problem = (
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
            f"{sizes[-1]}; expected {options.max_batch_size}"
        )
    if problem:
        raise ServingConfigError(f"{path}: {problem}. Correct the file.")
