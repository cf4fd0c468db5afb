"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what, the fact found, and what to do where it is not ok."""

    what: str
    fact: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Says whether nothing has to be done."""
        return not self.remedy

    def __str__(self) -> str:
        return f"{self.what}: {self.fact}" + (f"; {self.remedy}" if self.remedy else "")
