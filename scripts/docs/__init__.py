"""The pages of the guides that are generated: `python -m scripts.docs`, which `make docs` calls, writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scripts.docs.command_line import render_command_line
from scripts.docs.configuration import render_configuration

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {"cli.md": render_command_line, "configuration.md": render_configuration}
