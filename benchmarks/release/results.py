"""RESULTS.md: a section per measurement, each written by its own command."""

from __future__ import annotations

import re
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


def write_section(title: str, text: str, results: Path = RESULTS) -> None:
    """Puts `text` under the heading `title`, in place of what was there."""
    content = results.read_text() if results.exists() else ""
    parts = [part.strip() for part in re.split(r"^# ", content, flags=re.MULTILINE) if part.strip()]
    sections = {part.split("\n", 1)[0]: part for part in parts} | {title: f"{title}\n\n{text.strip()}"}
    results.write_text("\n\n".join(f"# {part}" for part in sections.values()) + "\n")
