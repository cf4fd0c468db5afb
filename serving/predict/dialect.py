"""How a CSV file is written, as `data.csv` of a project's configuration says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hilir.serving.errors import ServingConfigError

_NULLS = ("NA", "N/A", "#N/A", "n/a", "na", "NULL", "Null", "null", "NONE", "None", "none", "-", "?", ".", "<NA>")
"""What stands for a missing value among numbers, as in the ingest."""


@dataclass(frozen=True)
class Dialect:
    """The keys of `data.csv` that concern a row; their defaults are those of the configuration."""

    delimiter: str = ","
    decimal: str = "."
    thousands: str | None = None
    nulls: tuple[str, ...] | None = None
    encoding: str = "auto"

    @property
    def codec(self) -> str:
        """The encoding's name for Python; UTF-8 with or without a byte order mark where none is given."""
        return "utf-8-sig" if self.encoding == "auto" else self.encoding

    def normalize(self, values: Any) -> Any:
        """Returns texts of a column of numbers with '.' as the decimal mark, and missing ones as null."""
        if isinstance(values, list) or not pa.types.is_string(values.type):
            return values
        texts = pc.utf8_trim_whitespace(values)
        words = pa.array(_NULLS if self.nulls is None else self.nulls, pa.string())
        texts = pc.if_else(pc.fill_null(pc.is_in(texts, words), fill_value=False), pa.scalar(None, pa.string()), texts)
        if self.thousands is not None:
            mark = re.escape(self.thousands)
            grouped = pc.match_substring_regex(texts, rf"^[+-]?\d{{1,3}}({mark}\d{{3}})+(\D\d*)?$")
            texts = pc.if_else(grouped, pc.replace_substring(texts, self.thousands, ""), texts)
        if self.decimal != ".":
            # A point is no decimal mark here: 1.5 must not become a number.
            texts = pc.replace_substring(pc.replace_substring(texts, ".", "\0"), self.decimal, ".")
        return texts


def read_dialect(config: str | None) -> Dialect:
    """Returns the dialect that a configuration says; the defaults without one.

    Raises:
        ServingConfigError: the file cannot be read.
    """
    if config is None:
        return Dialect()
    import yaml

    try:
        content: Any = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
        given = ((content or {}).get("data") or {}).get("csv") or {}
        known = {name: given[name] for name in Dialect.__dataclass_fields__ if given.get(name) is not None}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise ServingConfigError(f"{config}: not a configuration ({str(error).splitlines()[0]})") from None
    return Dialect(**known | ({"nulls": tuple(known["nulls"])} if "nulls" in known else {}))
