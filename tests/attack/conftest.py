"""Prints the table of the attacks when all have run."""

from tests.attack.table import ROWS


def pytest_terminal_summary(terminalreporter):
    if ROWS:
        rows = [("injected", "held", "bound", "seen"), *ROWS]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        terminalreporter.write_line("")
        for row in rows:
            terminalreporter.write_line(
                "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            )
