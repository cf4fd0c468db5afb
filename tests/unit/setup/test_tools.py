"""`hilir setup`: what is missing on the host is named, and what failed is continued."""

from __future__ import annotations

import sys

import pytest

from hilir.pipeline.cli.main import _run
from hilir.setup import tools
from hilir.setup.errors import SetupError
from hilir.setup.folders import MADE_FROM, find_folder, is_complete


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.delenv("HILIR_TOOLS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def programs(monkeypatch, tmp_path):
    """An otherwise empty PATH, and a way to put programs on it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return add


def test_without_npm_the_user_is_told_what_to_install(programs, capsys):
    assert _run(["setup", "browser"]) == 3
    assert capsys.readouterr().err == (
        "hilir: there is no 'npm' on the PATH, which installs TensorFlow.js; "
        "install Node.js 20 or later with npm (Debian, Ubuntu: apt-get install nodejs npm)\n"
    )


def test_npm_is_run_beside_the_lock_file_and_again_after_a_failure(programs, capsys):
    programs("npm", 'echo "code E503" >&2; exit 1')
    assert _run(["setup", "browser"]) == 3
    assert capsys.readouterr().err == (
        "hilir: npm failed (code E503); correct that and type the command again, which continues\n"
    )
    programs("npm", 'echo "$*" > called')
    assert _run(["setup", "browser"]) == 0
    folder = find_folder("browser")
    assert capsys.readouterr().out == f"setup: {folder} is complete\n"
    assert (folder / "called").read_text() == "ci --ignore-scripts --silent\n"
    assert {"package.json", "package-lock.json", ".npmrc"} <= {path.name for path in folder.iterdir()}
    assert is_complete(folder)


def test_the_converters_python_is_this_one_or_one_on_the_path(programs, monkeypatch):
    programs("python3.11", "echo 3.11")
    programs("python3.12", "exit 1")
    monkeypatch.setattr(sys, "executable", "/nowhere/python3.13")
    assert tools.find_python() == "python3.11"
    programs("python3.11", "exit 127")
    with pytest.raises(
        SetupError, match=r"no Python 3\.11 or 3\.12.* 'hilir setup tfjs --python /path/to/python3\.11'"
    ):
        tools.find_python()


def test_an_environment_whose_python_was_removed_is_made_anew(programs, monkeypatch):
    programs("python3.11", "exit 1")
    monkeypatch.setattr(sys, "executable", "/nowhere/python3.13")
    folder = find_folder("tfjs")
    (folder / "bin").mkdir(parents=True)
    (folder / ".complete").touch()
    (folder / "bin" / "python").symlink_to("/nowhere/python3.11")
    installer = find_folder("installer")
    installer.mkdir()
    (installer / ".complete").touch()
    with pytest.raises(SetupError, match=r"no Python 3\.11 or 3\.12"):
        tools.make_tfjs()
    assert not is_complete(folder)


def test_a_given_python_of_another_version_is_refused(programs):
    programs("python3.13", "echo 3.13")
    with pytest.raises(SetupError, match=r"^python3\.13: is not Python 3\.11 or 3\.12; give another --python$"):
        tools.find_python("python3.13")


def test_the_lock_files_have_hashes_and_no_address():
    for name in {name for names in MADE_FROM.values() for name in names} - {"npmrc"}:
        content = (tools.DATA / name).read_text()
        assert "sha256:" in content or "integrity" in content or name == "package.json"
        assert "resolved" not in content
        assert "index-url" not in content
