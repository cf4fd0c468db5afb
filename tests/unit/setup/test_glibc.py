"""On an old C library one sentence says what is wrong and what to do, before anything native is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hilir.setup import glibc
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("answer", "version"), [("glibc 2.41", "2.41"), ("glibc 2.36", "2.36"), ("musl 1.2", None), (None, None)]
)
def test_the_version_is_that_of_the_running_library(monkeypatch, answer, version):
    monkeypatch.setattr(os, "confstr", lambda name: answer)
    assert glibc.find_version() == version


def test_where_there_is_no_glibc_nothing_is_wrong_with_it(monkeypatch):
    def refuse(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "confstr", refuse)
    assert glibc.find_fault() is None


def test_a_new_enough_one_is_no_fault(monkeypatch):
    monkeypatch.setattr(os, "confstr", lambda name: "glibc 2.39")
    assert glibc.find_fault() is None


def test_an_old_one_is_named_with_the_command_for_this_environment(monkeypatch):
    monkeypatch.setattr(os, "confstr", lambda name: "glibc 2.36")
    fault = glibc.find_fault()
    assert fault == (
        "this Python runs with glibc 2.36 and TFX's native packages need 2.39 or later: type "
        f"'{sys.executable} -m hilir.setup.glibc', which gives a virtual environment a newer one "
        "(Debian 12, Ubuntu 22.04), or use hilir's container image or a newer distribution"
    )


def test_the_systems_own_python_is_not_changed(monkeypatch, capsys):
    monkeypatch.setattr(os, "confstr", lambda name: "glibc 2.36")
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert glibc.main() == 3
    assert "is not the Python of a virtual environment" in capsys.readouterr().err


# What the entry point imports before it has looked at the C library; -S and -I leave Python's own library only.
PROGRAM = """
import os, sys
sys.path.insert(0, {source!r})
os.confstr = lambda name: "glibc 2.36"
from hilir.pipeline.cli.start import start
start()
"""


def test_the_entry_point_needs_no_package_to_say_so():
    program = PROGRAM.format(source=str(ROOT / "src"))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("hilir: this Python runs with glibc 2.36")
    assert done.stderr.count("\n") == 1


def test_setup_py_says_so_in_its_last_line():
    program = "import os; os.confstr = lambda name: 'glibc 2.36'; __file__ = 'setup.py'; exec(open(__file__).read())"
    done = subprocess.run(
        [sys.executable, "-c", program, "--version"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("hilir: this Python runs with glibc 2.36")
