"""Writes the pictures: makes the project of the first hour and the digits example in a folder, and looks at both.

`python -m scripts.pictures [FOLDER]`: with a FOLDER that an earlier call has made, nothing is trained again, and
the recording stays as it is.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from scripts.pictures.recording import draw, record, split_commands
from scripts.pictures.screenshots import open_browser, photograph
from tests.guides import ROOT, read_blocks

PICTURES = ROOT / "docs" / "pictures"
_PROGRAM = str(Path(sys.executable).parent / "hilir")
_EXPORTS = ["--set", "export.tfjs.variants=[float32]"]


def make_projects(folder: Path) -> None:
    """Types the first hour and draws it; then makes what the pages show: runs that differ, a release, the digits."""
    blocks = [block for block in read_blocks(ROOT / "docs" / "index.md") if block.mark == "run"]
    commands = [command for block in blocks for command in split_commands(block.text)]
    (PICTURES / "first-hour.svg").write_text(
        draw(record(commands, folder), "The first hour in a terminal: a project, a model, its report, a server"),
        encoding="utf-8",
    )
    _hilir(folder, "run", "flowers.yaml", "--set", "train.epochs=2", codes=(6,))
    _hilir(folder, "run", "flowers.yaml", "--set", "train.epochs=60", "--set", "train.batch_size=16", codes=(0, 6))
    _hilir(folder, "new", "--example", "digits")
    _hilir(folder, "run", "digits.yaml", *_EXPORTS)


def take_pictures(folder: Path) -> None:
    """Photographs the report, the dashboard and the page with the digits."""
    report = folder / "report.html"
    with open_browser() as browser:
        photograph(browser, report.as_uri(), PICTURES / "report.png", size=(1000, 640))
        with _serve(folder, "dashboard", "--port", "8701", port=8701) as address:
            photograph(browser, address, PICTURES / "dashboard.png", size=(1140, 480))
        with _serve(folder, "browse", "digits.yaml", "--port", "8702", port=8702) as address:
            photograph(browser, address, PICTURES / "browse.png", size=(1000, 740), before=_draw_digit)


def _draw_digit(page: Any) -> None:
    """Draws a seven with the mouse."""
    page.wait_for_selector("body[data-backend]", state="attached", timeout=60_000)
    box = page.locator("canvas").first.bounding_box()
    points = [(0.25, 0.2), (0.75, 0.2), (0.6, 0.45), (0.45, 0.85)]
    x, y = points[0]
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.mouse.down()
    for x, y in points[1:]:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=12)
    page.mouse.up()
    page.wait_for_timeout(500)


def _hilir(folder: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(
        [_PROGRAM, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode not in codes:
        raise RuntimeError(f"hilir {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


@contextmanager
def _serve(folder: Path, *arguments: str, port: int) -> Iterator[str]:
    """Yields the address of a page that a command serves until the end of the block."""
    address = f"http://127.0.0.1:{port}/"
    with subprocess.Popen([_PROGRAM, *arguments], cwd=folder, stdout=subprocess.DEVNULL) as server:
        try:
            for _ in range(300):
                try:
                    urlopen(address, timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield address
        finally:
            server.terminate()


def main() -> None:
    """Writes all pictures."""
    PICTURES.mkdir(exist_ok=True)
    if len(sys.argv) > 1 and (folder := Path(sys.argv[1])).is_dir():
        take_pictures(folder)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(made) / "project"
        folder.mkdir()
        make_projects(folder)
        take_pictures(folder)


main()
