"""Objects within rows: their fields become columns, as `user.age`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_DEEPEST = 32


def flatten(row: Mapping[str, Any], keep: Collection[str] = ()) -> Mapping[str, Any]:
    """Returns the row with the fields of its objects as values of their own; an empty object has none.

    Args:
        row: values by column.
        keep: columns that stay as they are.

    Raises:
        ValueError: two values have the same name then, or objects are nested more than 32 deep.
    """
    if not any(isinstance(value, dict) for value in row.values()):
        return row
    found: dict[str, Any] = {}
    for name, value in _fields(row, "", keep, _DEEPEST):
        if name in found:
            raise ValueError(f"has '{name}' twice, as a column and within an object; rename one")
        found[name] = value
    return found


def flatten_batch(batch: pa.RecordBatch, keep: Collection[str] = ()) -> pa.RecordBatch:
    """Returns the batch with the fields of structs as columns.

    Args:
        batch: rows of a file with types.
        keep: columns that stay as they are.

    Raises:
        ValueError: two columns have the same name then.
    """
    import pyarrow as pa

    names, columns = list(batch.schema.names), list(batch.columns)
    place = 0
    while place < len(names):
        if pa.types.is_struct(columns[place].type) and names[place] not in keep:
            inner = [f"{names[place]}.{field.name}" for field in columns[place].type]
            names[place : place + 1], columns[place : place + 1] = inner, columns[place].flatten()
        else:
            place += 1
    if names == batch.schema.names:
        return batch
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"has '{doubled[0]}' twice, as a column and within a struct; rename one")
    return pa.RecordBatch.from_arrays(columns, names)


def _fields(row: Mapping[str, Any], prefix: str, keep: Collection[str], depth: int) -> Iterator[tuple[str, Any]]:
    if not depth:
        raise ValueError(f"has objects that are nested more than {_DEEPEST} deep; flatten them")
    for key, value in row.items():
        name = prefix + key
        if isinstance(value, dict) and name not in keep:
            yield from _fields(value, f"{name}.", keep, depth - 1)
        else:
            yield name, value
