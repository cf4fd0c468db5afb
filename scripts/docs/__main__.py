"""Writes the generated pages, then look at the difference."""

from scripts.docs import FOLDER, PAGES

FOLDER.mkdir(exist_ok=True)
for name, render in PAGES.items():
    (FOLDER / name).write_text(render(), encoding="utf-8")
