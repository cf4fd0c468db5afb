import sys

import pytest

from hilir.components.code import fingerprint

SOURCES = {
    "__init__.py": "",
    "features.py": "LABEL = 'y'\n",
    "layers.py": "WIDTH = 3\n",
    "preprocessing.py": "from mine import features\n",
    "model.py": "import os\nfrom . import features\nfrom mine.layers import WIDTH\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, source in SOURCES.items():
        (folder / name).write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


def both() -> tuple[str, str]:
    return fingerprint("mine.preprocessing", "mine"), fingerprint("mine.model", "mine")


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        ("model.py", (False, True)),
        ("layers.py", (False, True)),
        ("features.py", (True, True)),
        ("preprocessing.py", (True, False)),
    ],
)
def test_an_edit_changes_exactly_what_imports_it(package, edited, changes):
    before = both()
    (package / edited).write_text(SOURCES[edited] + "# edited\n")
    assert tuple(old != new for old, new in zip(before, both(), strict=True)) == changes


def test_nothing_changes_without_an_edit(package):
    before = both()
    (package / "unused.py").write_text("X = 1\n")
    assert both() == before


def test_the_code_is_read_and_not_run(package):
    (package / "model.py").write_text("raise SystemExit('this was executed')\n")
    assert len(fingerprint("mine.model", "mine")) == 64
