import sys

import pytest

from hilir.components.code import fingerprint, is_user_code

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
    return fingerprint("mine.preprocessing"), fingerprint("mine.model")


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
    assert len(fingerprint("mine.model")) == 64


def test_an_edit_of_a_module_next_to_the_package_counts(package):
    (package.parent / "shapes_of_mine.py").write_text("WIDTH = 1\n")
    (package / "model.py").write_text("import os\nimport numpy.linalg\nfrom shapes_of_mine import WIDTH\n")
    before = both()
    (package.parent / "shapes_of_mine.py").write_text("WIDTH = 2\n")
    assert tuple(old != new for old, new in zip(before, both(), strict=True)) == (False, True)


def test_an_edit_of_a_module_in_another_package_counts(package):
    other = package.parent / "others_of_mine"
    other.mkdir()
    (other / "layers.py").write_text("WIDTH = 1\n")
    (package / "model.py").write_text("import others_of_mine.layers\n")
    before = both()
    (other / "layers.py").write_text("WIDTH = 2\n")
    assert tuple(old != new for old, new in zip(before, both(), strict=True)) == (False, True)


def test_the_content_of_other_files_counts(package, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("a\n")
    before = fingerprint("mine.model", [words])
    assert before != fingerprint("mine.model")
    words.write_text("b\n")
    assert fingerprint("mine.model", [words]) != before


def test_what_is_installed_and_ours_does_not_count():
    import numpy

    import hilir.components.errors

    assert not is_user_code(numpy.__file__)
    assert not is_user_code(hilir.components.errors.__file__)
    assert is_user_code(__file__)


def test_a_package_that_is_installed_counts_where_it_is_the_models():
    assert fingerprint("packaging.version") != fingerprint("packaging.tags")
