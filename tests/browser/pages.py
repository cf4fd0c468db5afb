"""What every page of ours keeps: axe finds nothing, ids are unique, links lead somewhere, nothing is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXE = Path(__file__).parent / "vendor" / "axe" / "axe.min.js"
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1440, "height": 900}}
SCHEMES = ("light", "dark")


def find_faults(page: Any) -> list[str]:
    """Returns what axe finds, with its rule and the place."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['help']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]


def check_layout(page: Any) -> None:
    """Makes sure that nothing is wider than the window, that ids are unique and that references to them exist."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
    assert len(ids) == len(set(ids))
    inner = page.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map(each => each.getAttribute('href'))")
    assert {reference[1:] for reference in inner} <= set(ids)


def check_page(visit: Any, address: str) -> None:
    """Opens the page on a phone and a desktop, in both schemes, and checks it; `visit` fails for foreign requests."""
    for size in SIZES.values():
        for scheme in SCHEMES:
            page = visit(address, viewport=size, color_scheme=scheme).page
            check_layout(page)
            assert find_faults(page) == [], f"{address} {size} {scheme}"
