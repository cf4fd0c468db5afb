"""Where tools are, and that each is made once, whoever asks and whatever was interrupted."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import pytest

from hilir.setup import folders
from hilir.setup.errors import SetupError
from hilir.setup.folders import find_folder, is_complete, make_once


def test_tools_are_in_the_users_cache_by_what_they_are_made_from(monkeypatch, tmp_path):
    monkeypatch.delenv("HILIR_TOOLS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = find_folder("tfjs")
    assert found.parent == tmp_path / "hilir"
    assert re.fullmatch("tfjs-[0-9a-f]{12}", found.name)
    (tmp_path / "tfjs.txt").write_text("another lock file")
    monkeypatch.setattr(folders, "DATA", tmp_path)
    assert find_folder("tfjs").name != found.name


def test_without_the_variable_the_cache_is_that_of_the_home(monkeypatch, tmp_path):
    monkeypatch.delenv("HILIR_TOOLS", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_folder("browser").parent == tmp_path / ".cache" / "hilir"


def test_the_image_says_where_they_are(monkeypatch, tmp_path):
    monkeypatch.setenv("HILIR_TOOLS", str(tmp_path))
    assert find_folder("browser") == tmp_path / "browser"


def test_every_tool_is_made_from_files_of_the_package():
    for names in folders.MADE_FROM.values():
        for name in names:
            assert (folders.DATA / name).is_file()


def test_what_failed_is_continued(tmp_path):
    def fail(folder):
        folder.mkdir()
        (folder / "half").touch()
        raise SetupError("the network went away")

    def finish(folder):
        assert (folder / "half").exists()
        (folder / "whole").touch()

    with pytest.raises(SetupError, match="went away"):
        make_once(tmp_path / "tool", fail)
    assert not is_complete(tmp_path / "tool")
    assert (make_once(tmp_path / "tool", finish) / "whole").exists()
    # A finished one is left alone.
    make_once(tmp_path / "tool", fail)


# A set-up whose program says that it is there, waits until it may go on, and fails where another one made a file.
MAKER = """
import sys
from pathlib import Path
from hilir.setup.folders import make_once, run
home = Path(sys.argv[1])
program = '''
import sys, time
from pathlib import Path
home = Path(sys.argv[1])
(home / "tool").mkdir(exist_ok=True)
(home / sys.argv[2]).touch()
while not (home / "go").exists():
    time.sleep(0.02)
with (home / "made").open("a") as made:
    made.write("x")
'''
make_once(home / "tool", lambda folder: run([sys.executable, "-c", program, str(home), sys.argv[2]], "making"))
"""


def wait_for(condition):
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit, "did not happen"
        time.sleep(0.02)


def start(home, name):
    return subprocess.Popen([sys.executable, "-c", MAKER, str(home), name])


def waits(process):
    """Says whether the process sleeps for a lock (`/proc/locks` names the waiting ones behind an arrow)."""
    with open("/proc/locks") as locks:
        return any("->" in line and f" {process.pid} " in line for line in locks)


def test_of_two_at_once_the_second_waits(tmp_path):
    first = start(tmp_path, "first")
    wait_for((tmp_path / "first").exists)
    second = start(tmp_path, "second")
    wait_for(lambda: waits(second))
    (tmp_path / "go").touch()
    assert first.wait(60) == second.wait(60) == 0
    assert (tmp_path / "made").read_text() == "x"
    assert not (tmp_path / "second").exists()


def test_the_next_one_waits_for_the_program_of_a_killed_one(tmp_path):
    first = start(tmp_path, "first")
    wait_for((tmp_path / "first").exists)
    first.send_signal(signal.SIGKILL)
    first.wait(60)
    second = start(tmp_path, "second")
    wait_for(lambda: waits(second))
    assert not (tmp_path / "second").exists()
    (tmp_path / "go").touch()
    assert second.wait(60) == 0
    # The killed one's program came to its end first; nobody had noted it, so it ran again.
    assert (tmp_path / "made").read_text() == "xx"


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.delenv("HILIR_TOOLS", raising=False)
    with pytest.raises(SetupError, match=r"file/tool: is missing and cannot be made \(.*; set XDG_CACHE_HOME"):
        make_once(tmp_path / "file" / "tool", lambda folder: folder.mkdir())
