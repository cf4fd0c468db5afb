"""The files of the browser page, and the server that gives them out."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request

import pytest

from hilir.pipeline.browser import site
from hilir.pipeline.browser.site_server import SiteServer
from hilir.pipeline.errors import ConfigError


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A serving root with exports of the versions 1 and 2, of which 3 has none, 4 none that kept its bounds."""
    packages = tmp_path / "packages"
    monkeypatch.setattr(site, "_find_package", lambda name: packages / name)
    for name, package in site._VENDORED.items():
        (packages / package / "dist").mkdir(parents=True, exist_ok=True)
        (packages / package / "dist" / name).write_text(name)
    for version, kept in ((1, True), (2, True), (3, None), (4, False), (9, True)):
        model = tmp_path / "models" / "digits"
        if version != 9:
            (model / str(version) / "assets.extra").mkdir(parents=True)
            golden = model / str(version) / "assets.extra" / "golden.jsonl"
            golden.write_text(json.dumps({"inputs": {"image": [[1.0]], "word": [""], "count": [-(2**63)]}}) + "\n")
        if kept is not None:
            folder = model / "exports" / str(version) / "tfjs"
            (folder / "float32").mkdir(parents=True)
            (folder / "float32" / "model.json").write_text("{}")
            inputs = {name: {"dtype": "float32", "shape": []} for name in ("image", "word", "count")}
            report = {"variants": {"float32": {"kept": kept}}, "preprocessing": None, "inputs": inputs}
            (folder / "export.json").write_text(json.dumps(report))
    return tmp_path / "models"


def test_the_newest_version_with_a_kept_export_is_shown(root):
    # 9 has an export and no version: what a killed push leaves.
    assert [(version.model.name, version.number) for version in site.find_newest(root)] == [("digits", 2)]


def test_the_site_lists_all_its_files_and_what_the_page_needs_to_know(root):
    found = site.collect_site(root)
    assert set(json.loads(found["site.json"])) == {"./", *found} - {"site.json"}
    (listed,) = json.loads(found["models/index.json"])
    assert (listed["model"], listed["version"], listed["folder"]) == ("digits", 2, "models/digits/2/")
    assert listed["examples"] == [{"image": [1.0], "word": None, "count": None}]
    assert "models/digits/2/float32/model.json" in found
    assert "index.html" in found


def test_the_site_can_be_written_for_any_server(root, tmp_path):
    found = site.collect_site(root)
    site.write_site(found, tmp_path / "out")
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == set(found)
    assert (tmp_path / "out" / "vendor" / "tf-core.min.js").read_text() == "tf-core.min.js"


def test_only_the_files_of_the_site_are_served(root):
    with SiteServer(("127.0.0.1", 0), root) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(server.url) as response:
            assert response.headers["Content-Type"] == "text/html"
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        with urllib.request.urlopen(f"{server.url}vendor/tfjs-backend-wasm.wasm") as response:
            assert response.headers["Content-Type"] == "application/wasm"
        for path in ("../setup.py", "%2e%2e/setup.py", "node_modules/x", "package.json", "models/digits/4/export.json"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(server.url + path)
        server.shutdown()


def test_a_new_version_is_shown_when_the_page_is_loaded_anew(root):
    with SiteServer(("127.0.0.1", 0), root) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (root / "digits" / "9").mkdir()
        urllib.request.urlopen(server.url).close()
        with urllib.request.urlopen(f"{server.url}models/index.json") as response:
            assert [listed["version"] for listed in json.load(response)] == [9]
        server.shutdown()


def test_a_taken_port_is_explained(root):
    with (
        SiteServer(("127.0.0.1", 0), root) as server,
        pytest.raises(ConfigError, match=r"cannot be listened on .*give another --port"),
    ):
        SiteServer(("127.0.0.1", server.server_address[1]), root)
