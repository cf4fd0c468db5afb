"""Checks the columns that the settings name against those that the files have."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from hilir.components.errors import IngestError
from hilir.components.example_gen.settings import ReadSettings


def check_names(columns: Collection[str], settings: ReadSettings, before: Collection[str]) -> list[str]:
    """Returns sentences on columns that have another name now, or are gone.

    Args:
        columns: of the files, as they are named after `rename`.
        settings: name columns.
        before: the columns for the version before; a column that was there then may be gone.

    Raises:
        IngestError: a setting names a column that no file has, and that no file had.
    """
    old = {new: name for name, new in settings.rename.items()}
    notes = [f"column '{name}' is named '{new}' by data.rename" for name, new in settings.rename.items()]
    for key, names in (
        ("data.columns", list(settings.columns)),
        ("data.rename", list(old)),
        ("data.drop", settings.drop),
        ("data.split.by", settings.split.by),
    ):
        unknown = [name for name in names if name not in columns]
        if key == "data.drop":
            # No version knows what was dropped.
            gone = [name for name in unknown if before and not get_close_matches(name, columns, n=1)]
        else:
            gone = [name for name in unknown if key != "data.split.by" and name in before]
        notes += [f"column '{old.get(name, name)}' of {key} is in no file" for name in gone]
        wrong = [old.get(name, name) if key == "data.rename" else name for name in unknown if name not in gone]
        if wrong:
            listed = ", ".join(f"'{name}'" for name in wrong)
            raise IngestError(f"{key} names {listed}, which no file has; the columns are {', '.join(columns)}")
    return notes
