"""Photographs pages in Debian's Chromium, small enough for a repository."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

_COLOURS = 96
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--font-render-hinting=none"]
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


@contextmanager
def open_browser() -> Iterator[Any]:
    """Yields Chromium.

    Raises:
        RuntimeError: it is not installed.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise RuntimeError("there is no Chromium on this machine; type 'make setup-browser'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield browser
        browser.close()


def photograph(
    browser: Any,
    address: str,
    path: Path,
    *,
    size: tuple[int, int] = (1440, 900),
    scheme: str = "light",
    whole: bool = False,
    before: Callable[[Any], None] | None = None,
) -> None:
    """Writes a picture of the page at this address.

    Args:
        browser: as `open_browser` yields it.
        address: of the page.
        path: where the picture is written.
        size: of the window.
        scheme: light or dark.
        whole: whether the picture is of the whole page, and not only of what the window shows.
        before: what is done on the page first.
    """
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    if before is not None:
        before(page)
    path.write_bytes(compress(page.screenshot(full_page=whole)))
    context.close()


def compress(content: bytes) -> bytes:
    """Returns a PNG with few colours, which pages of text and charts have anyway."""
    with Image.open(io.BytesIO(content)) as image:
        reduced = image.convert("RGB").quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        written = io.BytesIO()
        reduced.save(written, "PNG", optimize=True)
    return written.getvalue()
