"""The message for a caller when TensorFlow refuses to run a graph: one sentence, without the places in the graph."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from hilir.serving.server.status import Code, StatusError, invalid_argument

Feed = tuple[str, tuple[int, ...] | None]
"""An input's name, and its shape (-1: any), None where it may have any rank."""

_PLACE = re.compile(r"\s*\[\[\{\{.*?\}\}\]\]|\n\s*\[\[.*?\]\]|\{\{(?:function_)?node [^}]*\}\}")
_UNREAD = re.compile(r"could not correctly convert string:\s*(.*)\Z", re.DOTALL)
_LONGEST = 200
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
    short = shorten(message)
    named = _name_input(short, feeds, arrays)
    return StatusError(code, f"{named}: {short}" if named else short)


def _name_input(message: str, feeds: Sequence[Feed], arrays: Sequence[np.ndarray]) -> str | None:
    """Returns the input with the text that is not a number, and its value; None where it may be any of several.

    A date of which a part is read as a number is such a text.
    """
    unread = _UNREAD.search(message)
    if unread is None or not unread[1]:
        return None
    found = [(name, value) for (name, _), array in zip(feeds, arrays, strict=True) for value in _find(array, unread[1])]
    names = {name for name, _ in found}
    if len(names) != 1:
        return None
    name, value = found[0]
    return f"input '{name}' has the value {value!r}, which the model cannot read"


def _find(array: np.ndarray, part: str) -> Iterator[str]:
    """Yields the strings with this part."""
    for value in array.ravel().tolist() if array.dtype.kind in "OSU" else ():
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        # Serialized examples contain strings too, among other bytes.
        if len(text) <= _LONGEST and text.isprintable() and part in text:
            yield text


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
