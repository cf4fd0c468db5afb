"""What a caller is told when TensorFlow refuses to run a graph: one sentence, without the places in the graph."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from hilir.serving.server.status import Code, StatusError, invalid_argument

Feed = tuple[str, tuple[int, ...] | None]
"""An input's name, and its shape (-1: any), None where it may have any rank."""

_PLACE = re.compile(r"\s*\[\[\{\{.*?\}\}\]\]|\n\s*\[\[.*?\]\]|\{\{(?:function_)?node [^}]*\}\}")
_FIRST_OF_SEVERAL = re.compile(r"\d+ root error\(s\) found\.\s*\(0\)\s*(?:[A-Z_ ]+: )?(.*?)(?:\n\s*\(1\)|$)", re.DOTALL)


def explain_failure(code: Code, message: str, feeds: Sequence[Feed], arrays: Sequence[np.ndarray]) -> StatusError:
    """Returns the error of a run that failed.

    An input of another rank than the model takes is named, since the operation that stumbled over it says nothing of
    it. It is not refused before the run: TensorFlow Serving does not, and some models do not mind.
    """
    for (name, shape), array in zip(feeds, arrays, strict=True):
        if shape is not None and array.ndim != len(shape):
            return invalid_argument(
                f"input '{name}' has the shape {list(array.shape)} where the model takes {list(shape)} (-1: any); "
                f"send {_describe(len(shape))}"
            )
    return StatusError(code, shorten(message))


def shorten(message: str) -> str:
    """Returns TensorFlow's message without the nodes and functions of the graph, and of several errors the first."""
    first = _FIRST_OF_SEVERAL.match(message)
    return _PLACE.sub("", first[1] if first else message).strip()


def _describe(rank: int) -> str:
    return {
        0: "one value",
        1: "one value for each row",
        2: "a list of values for each row, padded where rows have fewer",
    }.get(rank, f"lists of values, {rank} levels deep")
