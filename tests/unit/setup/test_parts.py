"""`make test` runs every test file once."""

from collections import Counter
from pathlib import Path

from tests.parts import ROOT, find_parts


def test_every_file_is_in_one_part():
    files = {path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    files = {path for path in files if "browser" not in path.parts}
    counted = Counter()
    for _, words in find_parts():
        ignored = [word.partition("=")[2] for word in words if word.startswith("--ignore=")]
        folders = [word for word in words if not word.startswith("--")]
        assert all((ROOT / folder).exists() for folder in [*folders, *ignored])
        mine = {path for path in files if any(path.is_relative_to(folder) for folder in folders)}
        counted.update(path for path in mine if not any(path.is_relative_to(folder) for folder in ignored))
    assert counted == Counter(files)
    assert Path("tests/unit/setup/test_parts.py") in counted
