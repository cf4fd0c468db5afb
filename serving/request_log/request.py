"""A logged request as columns: what was asked row by row, and what was answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Value = float | str | bytes | None
Column = Sequence[Sequence[Value]]
"""The values of each row, flat; a row may have several or none."""


@dataclass(frozen=True)
class Request:
    """A request that was answered.

    Attributes:
        model: its name.
        version: the version that answered.
        request_id: empty where the log has none.
        time: seconds since 1970.
        rows: how many rows it had.
        inputs: by feature; what is redacted is not among them.
        outputs: by output.
        is_sparse: its rows are tf.Examples, which may lack features.
    """

    model: str
    version: int
    request_id: str
    time: float
    rows: int
    inputs: Mapping[str, Column] = field(default_factory=dict)
    outputs: Mapping[str, Column] = field(default_factory=dict)
    is_sparse: bool = False
