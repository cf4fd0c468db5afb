"""Several requests run as one: joined along the first dimension, run, and split again."""

from __future__ import annotations

import numpy as np

from hilir.serving.server.inference.batch_options import BatchOptions
from hilir.serving.server.servables.servable import Outputs, Run
from hilir.serving.server.status import StatusError, invalid_argument


def run_batch(run: Run, tasks: list[list[np.ndarray]], options: BatchOptions) -> list[Outputs | Exception]:
    """Run several requests as one; if that fails, one by one.

    Returns:
        For each request its outputs, or its own error.
    """
    rows = [arrays[0].shape[0] for arrays in tasks]
    try:
        joined = _join(tasks, options)
        split = _split_outputs(run(joined), joined[0].shape[0], rows)
        if split is not None:
            return [*split]
    except (StatusError, ValueError) as error:
        if len(tasks) == 1 and isinstance(error, StatusError):
            return [error]
    return [_run_alone(run, arrays) for arrays in tasks]


def _run_alone(run: Run, arrays: list[np.ndarray]) -> Outputs | Exception:
    try:
        return run(arrays)
    except StatusError as error:
        return error


def _join(tasks: list[list[np.ndarray]], options: BatchOptions) -> list[np.ndarray]:
    total = sum(arrays[0].shape[0] for arrays in tasks)
    size = next((allowed for allowed in options.allowed_sizes if allowed >= total), total)
    if len(tasks) == 1 and size == total:
        return tasks[0]
    joined = []
    for parts in zip(*tasks, strict=True):
        pieces = _pad_to_widest(parts) if options.pad_variable_length else list(parts)
        if size > total:
            # TensorFlow Serving fills up with the first row of the last request.
            pieces.append(np.repeat(pieces[-1][:1], size - total, axis=0))
        joined.append(np.concatenate(pieces))
    return joined


def _pad_to_widest(parts: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    widest = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    padded = []
    for part in parts:
        if list(part.shape[1:]) == widest:
            padded.append(part)
            continue
        if part.size == 0:
            raise invalid_argument("Got empty tensor in batch of non-empty tensors.")
        full = np.full((part.shape[0], *widest), part.reshape(-1)[0], dtype=part.dtype)
        full[tuple(slice(size) for size in part.shape)] = part
        padded.append(full)
    return padded


def _split_outputs(outputs: Outputs, total: int, rows: list[int]) -> list[Outputs] | None:
    """Each request's part of the outputs; None if an output does not have the batch's rows."""
    if any(output.ndim == 0 or output.shape[0] != total for output in outputs):
        return None
    split: list[Outputs] = []
    start = 0
    for count in rows:
        split.append([output[start : start + count] for output in outputs])
        start += count
    return split
