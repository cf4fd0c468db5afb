"""Files that a package opens and does not declare are named."""

import json
import logging
import subprocess
import sys

import pytest
import tensorflow as tf

from hilir.components.errors import ModelPackageError
from hilir.components.opened_files import explain, find_files, find_undeclared, watch_files
from hilir.components.transform.preprocessing import preprocessing_fn


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "opener"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "words.txt").write_text("a\nb\n")
    (folder / "limits.csv").write_text("x\n1\n")
    (folder / "features.py").write_text("FILES = ('words.txt',)\n")
    (folder / "preprocessing.py").write_text(
        "from pathlib import Path\n"
        "import numpy as np\n"
        "HERE = Path(__file__).parent\n"
        "WORDS = (HERE / 'words.txt').read_text().split()\n"
        "def preprocessing_fn(inputs):\n"
        "    limits = np.loadtxt(HERE / 'limits.csv', skiprows=1)\n"
        "    (HERE / 'seen.txt').write_text('written, not read')\n"
        "    return {'x': inputs['x'] * float(limits)}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "opener"]:
        del sys.modules[name]


def test_files_are_seen_at_import_and_by_libraries(package):
    with watch_files() as opened:
        import opener.features
        import opener.preprocessing
    assert opened == {f"{package}/words.txt"}
    with watch_files() as opened:
        opener.preprocessing.preprocessing_fn({"x": 2})
    assert opened == {f"{package}/limits.csv"}
    declared = find_files(opener.features)
    assert declared == (package / "words.txt",)
    assert find_undeclared([*opened, f"{package}/words.txt"], declared) == [f"{package}/limits.csv"]


def test_nothing_is_seen_when_nobody_watches(package):
    with watch_files() as opened:
        pass
    import opener.preprocessing

    assert opener.preprocessing.WORDS == ["a", "b"]
    assert opened == set()


def test_preprocessing_warns_once(package, caplog):
    with caplog.at_level(logging.INFO, "hilir.progress"):
        for _ in range(2):
            preprocessing_fn({"x": tf.constant([2.0])}, {"package": "opener", "code": ""})
    assert [record.message for record in caplog.records] == [explain("opener", [f"{package}/limits.csv"])]
    assert "which opener.features.FILES does not name" in caplog.text


def test_a_declared_file_that_is_not_there_is_named(package):
    (package / "features.py").write_text("FILES = ['gone.txt']\n")
    import opener.features

    with pytest.raises(ModelPackageError) as caught:
        find_files(opener.features)
    assert str(caught.value).startswith(f"opener.features.FILES names 'gone.txt', which is neither in {package} nor ")


def test_what_an_import_of_a_library_opens_is_not_the_users(package):
    program = (
        "import json, sys\n"
        f"sys.path.insert(0, {str(package.parent)!r})\n"
        "from hilir.components.opened_files import watch_files\n"
        "with watch_files() as opened:\n"
        "    import opener.preprocessing, opener.big\n"
        "print(json.dumps(sorted(opened)))\n"
    )
    (package / "big.py").write_text("import pandas, sklearn.datasets\n")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [f"{package}/words.txt"]
