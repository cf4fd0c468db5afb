"""The rows that attacks print: what was injected, whether it was held, the bound, and what was seen."""

ROWS: list[tuple[str, str, str, str]] = []


def note(injected: str, held: bool, bound: str, seen: str) -> None:
    """Add a row; `tests/attack/conftest.py` prints all of them at the end."""
    ROWS.append((injected, "held" if held else "NOT HELD", bound, seen))
