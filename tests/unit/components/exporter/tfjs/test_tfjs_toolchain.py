"""What is missing beside the environment is made, or named with the command that makes it."""

from __future__ import annotations

import json
import sys

import pytest

from hilir.components.exporter.errors import ExportError
from hilir.components.exporter.tfjs import tfjs_toolchain


def test_outside_a_checkout_the_missing_converter_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(tfjs_toolchain, "ROOT", tmp_path)
    monkeypatch.setattr(tfjs_toolchain, "CONVERTER", tmp_path / ".venv-tfjs" / "bin" / "python")
    with pytest.raises(ExportError, match=r"TensorFlow\.js converter is missing; type 'make setup-tfjs'"):
        tfjs_toolchain.find_converter()


def test_in_a_checkout_the_setup_is_run_and_its_failure_told(monkeypatch, tmp_path):
    (tmp_path / "scripts").mkdir()
    setup = tmp_path / "scripts" / "setup.sh"
    setup.write_text('#!/bin/sh\necho "no network for $1" >&2\nexit 3\n')
    setup.chmod(0o755)
    monkeypatch.setattr(tfjs_toolchain, "ROOT", tmp_path)
    monkeypatch.setattr(tfjs_toolchain, "CONVERTER", tmp_path / ".venv-tfjs" / "bin" / "python")
    with pytest.raises(ExportError, match=r"no network for tfjs\); mend that and type 'make setup-tfjs'"):
        tfjs_toolchain.find_converter()


def test_a_missing_node_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ExportError, match=r"no program 'node'.*apt-get install nodejs"):
        tfjs_toolchain.find_node()


def test_a_program_that_fails_is_quoted(tmp_path):
    script = "import sys, json; sys.exit(f\"ValueError: {json.load(open(sys.argv[1]))['what']}\")"
    with pytest.raises(ExportError, match=r"the converter failed \(exit code 1\): ValueError: no such op"):
        tfjs_toolchain.run_program(
            [sys.executable, "-c", script], {"what": "no such op"}, str(tmp_path), "the converter"
        )
    assert json.loads((tmp_path / "job.json").read_text()) == {"what": "no such op"}
