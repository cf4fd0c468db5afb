"""The guides' blocks marked `run`, typed in an empty folder by a shell, page by page."""

import socket

import pytest

from tests.guides import can_be_alone, list_pages, read_blocks, run_page

pytestmark = pytest.mark.slow
PAGES = [page for page in list_pages() if any(block.mark in ("run", "cloud") for block in read_blocks(page))]
PORTS = (8500, 8501, 8700)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_the_page_types_works(page, tmp_path):
    for port in () if can_be_alone() else PORTS:
        with socket.socket() as server:
            # The guides name the usual ports: where something has one, the answers would be another server's.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))
    folder, log = tmp_path / "project", tmp_path / "log"
    folder.mkdir()
    code = run_page(page, folder, log)
    print(log.read_text(encoding="utf-8", errors="replace"))
    assert code == 0
    if page.stem == "index":
        assert (folder / "out/models/flowers/1/manifest.json").is_file()
        assert (folder / "report.html").stat().st_size > 10_000
        assert "<title>Runs" in (folder / "dashboard.html").read_text()
        assert len((folder / "predictions.csv").read_text().splitlines()) == 151
        assert '"predictions"' in log.read_text(encoding="utf-8") or '"outputs"' in log.read_text(encoding="utf-8")
