"""Where there is no Makefile, no message says what to make."""

from __future__ import annotations

import ast
import re

from tests.conftest import ROOT

TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
SCRIPT = re.compile(rf"\bmake ({'|'.join(TARGETS)})\b|scripts/\w+\.sh")


def test_only_the_doctor_of_a_clone_names_a_make_target():
    found = {
        str(path.relative_to(ROOT))
        for folder in ("src/hilir/setup", "pipeline", "components", "serving", "models")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SCRIPT.search(node.value)
    }
    assert found == {"pipeline/run/doctor.py"}
    assert not SCRIPT.search((ROOT / "configs" / "base.yaml").read_text())
