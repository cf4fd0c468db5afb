"""The files of the user's modules are found without running anything of theirs."""

import sys

import pytest

from hilir.components.user_modules import find_folders, find_module

RAISES = "raise SystemExit('this was executed')\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("shop/models/fruit/metrics.py", "bare/fruit/features.py", "shop/models/fruit/__init__.py", "one.py"):
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(RAISES)
    (tmp_path / "here/shop/__init__.py").write_text(RAISES)
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    return tmp_path / "here"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("shop", "shop/__init__.py"),
        ("shop.models.fruit", "shop/models/fruit/__init__.py"),
        ("shop.models.fruit.metrics", "shop/models/fruit/metrics.py"),
        ("bare.fruit.features", "bare/fruit/features.py"),
        ("one", "one.py"),
    ],
)
def test_a_module_is_found_and_nothing_is_executed(folder, name, file):
    assert find_module(name).origin == str(folder / file)
    assert not {"shop", "bare", "one"} & {loaded.partition(".")[0] for loaded in sys.modules}


@pytest.mark.parametrize(
    "name", ["nowhere", "shop.nowhere", "one.part", "shop.models.fruit.metrics.part", "", ".", "a..b"]
)
def test_what_an_import_would_not_find(folder, name):
    assert find_module(name) is None
    assert find_folders(name) == []


def test_the_folders_of_a_package(folder):
    assert find_folders("shop.models") == [str(folder / "shop/models")]
    assert find_folders("bare") == [str(folder / "bare")]
    assert find_folders("one") == []


def test_what_is_installed_is_found_as_python_finds_it():
    import yaml.loader

    import hilir.components.code

    assert find_module("yaml.loader").origin == yaml.loader.__file__
    assert find_module("hilir.components.code").origin == hilir.components.code.__file__
