"""The files of the browser page, and the server that gives them out."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request

import pytest

from hilir.pipeline.browser import site
from hilir.pipeline.browser.site_server import make_site_server
from hilir.pipeline.errors import ConfigError
from hilir.serving import web


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A serving root with exports of the versions 1 and 2, of which 3 has none, 4 none that kept its bounds."""
    monkeypatch.setenv("HILIR_TOOLS", str(tmp_path / "tools"))
    packages = tmp_path / "tools" / "browser" / "node_modules" / "@tensorflow"
    packages.mkdir(parents=True)
    (tmp_path / "tools" / "browser" / ".complete").touch()
    for name, package in site._VENDORED.items():
        (packages / package / "dist").mkdir(parents=True, exist_ok=True)
        (packages / package / "dist" / name).write_text(name)
    for version, kept in ((1, True), (2, True), (3, None), (4, False), (9, True)):
        model = tmp_path / "models" / "digits"
        if version != 9:
            (model / str(version) / "assets.extra").mkdir(parents=True)
            golden = model / str(version) / "assets.extra" / "golden.jsonl"
            rows = [
                {"image": [[1.0]], "word": [""], "count": [-(2**63)]},
                {"image": [[float("inf")]], "word": ["a"], "count": [1]},
                {"image": [[2.0]], "word": [{"b64": "/g=="}], "count": [1]},
                {"image": [[float("nan"), 3.0]], "word": ["Café"], "count": [1]},
            ]
            golden.write_text("".join(json.dumps({"inputs": row}) + "\n" for row in rows))
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
    # A form has neither infinities nor bytes that are not text.
    assert listed["examples"] == [
        {"image": [1.0], "word": None, "count": None},
        {"image": [None, 3.0], "word": "Café", "count": 1},
    ]
    assert "models/digits/2/float32/model.json" in found
    assert "index.html" in found


def test_a_form_knows_ranges_words_and_dates_from_the_versions_reference():
    from hilir.analysis.reference import summarize_categories, summarize_numbers

    assert site._describe_values(summarize_numbers([3.0, float("nan"), -1.5]), []) == {"low": -1.5, "high": 3.0}
    assert site._describe_values(summarize_numbers([]), []) == {}
    words = summarize_categories(["b", "a", ""], 3, 0)
    assert site._describe_values(words, ["c", "a"]) == {"words": ["a", "b", "c"], "dates": False}
    days = summarize_categories(["2024-02-29", "1999-12-31"], 2, 0)
    assert site._describe_values(days, [])["dates"] is True
    assert site._describe_values(None, [7, 9]) == {}


def test_the_site_can_be_written_for_any_server(root, tmp_path):
    found = site.collect_site(root)
    site.write_site(found, tmp_path / "out")
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == set(found)
    assert (tmp_path / "out" / "vendor" / "tf-core.min.js").read_text() == "tf-core.min.js"


@pytest.fixture
def server(root):
    with make_site_server(("127.0.0.1", 0), root) as server:
        yield server


def test_only_the_files_of_the_site_are_served(server):
    with urllib.request.urlopen(server.url) as response:
        assert response.headers["Content-Type"] == "text/html"
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        page = response.read()
    with urllib.request.urlopen(urllib.request.Request(server.url, method="HEAD")) as response:
        assert (response.headers["Content-Length"], response.read()) == (str(len(page)), b"")
    with urllib.request.urlopen(f"{server.url}/vendor/tfjs-backend-wasm.wasm") as response:
        assert (response.headers["Content-Type"], response.read()) == ("application/wasm", b"tfjs-backend-wasm.wasm")
    for path in ("../setup.py", "%2e%2e/setup.py", "node_modules/x", "package.json", "models/digits/4/export.json"):
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(f"{server.url}/{path}")
        assert caught.value.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "[", "8.8.8.8"])
def test_other_names_get_nothing(server, host):
    """A foreign page whose name resolves to this machine could read models and ask them otherwise."""
    with pytest.raises(urllib.error.HTTPError, match="421"):
        urllib.request.urlopen(urllib.request.Request(server.url, headers={"Host": host}))
    with urllib.request.urlopen(urllib.request.Request(server.url, headers={"Host": "localhost:1"})) as response:
        assert response.status == 200


def test_a_row_that_does_not_come_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr(web, "SECONDS", 0.3)
    head = b"POST /predict/digits/4 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for body in (b"Content-Length: 9\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
            sock.sendall(head + body)
            assert sock.recv(100).startswith(b"HTTP/1.1 408")


def test_a_new_version_is_shown_when_the_page_is_loaded_anew(root, server):
    (root / "digits" / "9").mkdir()
    urllib.request.urlopen(server.url).close()
    with urllib.request.urlopen(f"{server.url}/models/index.json") as response:
        assert [listed["version"] for listed in json.load(response)] == [9]


def test_links_do_not_lead_out_of_the_export(root, server):
    (root / "secret").write_text("secret")
    folder = root / "digits" / "exports" / "2" / "tfjs"
    (folder / "file.json").symlink_to(root / "secret")
    (folder / "folder").symlink_to(root)
    (folder / "later.json").write_text("harmless")
    found = site.collect_site(root)
    assert "models/digits/2/later.json" in found
    assert [name for name in found if "file.json" in name or "folder" in name] == []
    urllib.request.urlopen(server.url).close()
    with urllib.request.urlopen(f"{server.url}/models/digits/2/later.json") as response:
        assert response.read() == b"harmless"
    (folder / "later.json").unlink()
    (folder / "later.json").symlink_to(root / "secret")
    for path in ("later.json", "file.json", "folder/secret"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{server.url}/models/digits/2/{path}")


def test_a_linked_report_is_no_export_and_linked_examples_are_not_shown(root, tmp_path):
    report = root / "digits" / "exports" / "2" / "tfjs" / "export.json"
    report.rename(tmp_path / "export.json")
    report.symlink_to(tmp_path / "export.json")
    golden = root / "digits" / "1" / "assets.extra" / "golden.jsonl"
    golden.rename(tmp_path / "golden.jsonl")
    golden.symlink_to(tmp_path / "golden.jsonl")
    (listed,) = json.loads(site.collect_site(root)["models/index.json"])
    assert (listed["version"], listed["examples"]) == (1, [])


def test_a_linked_model_is_shown(root, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "digits").symlink_to(root / "digits")
    assert "models/digits/2/float32/model.json" in site.collect_site(tmp_path / "other")


def test_a_taken_port_is_explained(root, server):
    with pytest.raises(ConfigError, match=r"cannot be listened on .*give another --port"):
        make_site_server(("127.0.0.1", server.port), root)
