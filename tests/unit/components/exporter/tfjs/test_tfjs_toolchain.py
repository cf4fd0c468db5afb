"""What is missing beside the environment is made, or named with the command that makes it."""

from __future__ import annotations

import json
import sys

import pytest

from hilir.components.exporter.errors import ExportError
from hilir.components.exporter.tfjs import tfjs_toolchain


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A cache in which nothing can be made."""
    (tmp_path / "file").touch()
    monkeypatch.delenv("HILIR_TOOLS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))


def test_a_converter_that_cannot_be_made_is_named_with_its_command(nowhere):
    with pytest.raises(
        ExportError, match=r"converter \('hilir setup tfjs'\): .*tfjs-\w+: is missing and cannot be made"
    ):
        tfjs_toolchain.find_converter()


def test_npm_packages_that_cannot_be_installed_are_named_with_their_command(nowhere):
    with pytest.raises(ExportError, match=r"Node\.js \('hilir setup browser'\): .*browser-\w+: is missing and cannot"):
        tfjs_toolchain.find_node()


def test_the_image_has_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("HILIR_TOOLS", str(tmp_path))
    for name in ("tfjs", "browser"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".complete").touch()
    (tmp_path / "tfjs" / "bin").mkdir()
    (tmp_path / "tfjs" / "bin" / "python").touch()
    assert tfjs_toolchain.find_converter() == tmp_path / "tfjs" / "bin" / "python"
    assert tfjs_toolchain.find_node()[1] == tmp_path / "browser" / "node_modules"


def test_a_missing_node_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ExportError, match=r"no program 'node'.*apt-get install nodejs"):
        tfjs_toolchain.find_node()


PYTHON = """
try:
    raise KeyError('first')
except KeyError:
    raise ValueError('ops:\\n' + 'A, B')
"""


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ([sys.executable, "-c", PYTHON], "ValueError: ops: A, B"),
        (["node", "-e", "throw new Error('no op\\nlike this')"], "Error: no op like this"),
        ([sys.executable, "-c", "import sys; sys.exit('killed\\nby nobody')"], "killed by nobody"),
        ([sys.executable, "-c", "raise SystemExit(1)"], "no message"),
    ],
)
def test_the_last_error_is_quoted_with_all_its_lines(tmp_path, program, message):
    with pytest.raises(ExportError) as found:
        tfjs_toolchain.run_program(program, {}, str(tmp_path), "the converter")
    assert str(found.value) == f"the converter failed (exit code 1): {message}"


def test_a_program_that_fails_is_quoted(tmp_path):
    script = "import sys, json; sys.exit(f\"ValueError: {json.load(open(sys.argv[1]))['what']}\")"
    with pytest.raises(ExportError, match=r"the converter failed \(exit code 1\): ValueError: no such op"):
        tfjs_toolchain.run_program(
            [sys.executable, "-c", script], {"what": "no such op"}, str(tmp_path), "the converter"
        )
    assert json.loads((tmp_path / "job.json").read_text()) == {"what": "no such op"}
