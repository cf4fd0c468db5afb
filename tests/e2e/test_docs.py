"""The guides' blocks marked `run`, typed in an empty folder by a shell, page by page."""

import socket

import pytest

from tests.guides import list_pages, read_blocks, run_page

pytestmark = pytest.mark.slow
PAGES = [page for page in list_pages() if any(block.mark == "run" for block in read_blocks(page))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_the_page_types_works(page, tmp_path):
    with socket.socket() as server:
        # The guides name the server's usual port: where something has it, the answers would be another server's.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 8501))
    folder, log = tmp_path / "project", tmp_path / "log"
    folder.mkdir()
    code = run_page(page, folder, log)
    print(log.read_text(encoding="utf-8", errors="replace"))
    assert code == 0
    if page.stem == "index":
        assert (folder / "out/models/flowers/1/manifest.json").is_file()
        assert (folder / "report.html").stat().st_size > 10_000
        assert len((folder / "predictions.csv").read_text().splitlines()) == 151
        assert '"predictions"' in log.read_text(encoding="utf-8") or '"outputs"' in log.read_text(encoding="utf-8")
