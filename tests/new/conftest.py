"""What the tests on tables of packages share."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def packages(tmp_path_factory) -> Path:
    """The tables of the packages, written by an environment of their own."""
    folder = tmp_path_factory.mktemp("tables")
    python = ROOT / ".venv-tables/bin/python"
    if not python.exists():
        pytest.skip("the packages with tables are not installed; type 'make test-new'")
    subprocess.run([python, ROOT / "tests/new/write_tables.py", folder], check=True, timeout=300)
    return folder
