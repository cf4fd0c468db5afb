import sys

import pytest

from components.errors import ModelPackageError
from components.trainer.package import load_package

MODEL = """
from pydantic import BaseModel
class Hyperparameters(BaseModel, extra="forbid"):
    units: int = 3
def build_model(hparams): return hparams
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def write_package(**sources: str) -> str:
        folder = tmp_path / "lacking"
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(source)
        return "lacking"

    yield write_package
    for name in [name for name in sys.modules if name.partition(".")[0] == "lacking"]:
        del sys.modules[name]


WHOLE = {
    "features": "LABEL = 'y'\nLABEL_COLUMNS = ('y',)\n",
    "preprocessing": "def preprocessing_fn(i): return i\n",
    "model": MODEL,
}


def fault(name: str) -> str:
    with pytest.raises(ModelPackageError) as caught:
        load_package(name)
    return str(caught.value)


def test_a_whole_package_is_loaded(write):
    package = load_package(write(**WHOLE))
    assert (package.label, package.label_columns) == ("y", ("y",))
    assert package.make_hyperparameters({"units": 5}).units == 5


def test_all_that_is_missing_is_named(write):
    assert fault(write(**(WHOLE | {"features": "LABEL = 'y'\n", "model": ""}))) == (
        "lacking.features has no 'LABEL_COLUMNS' (the raw columns that only the label may see); "
        "lacking.model has no 'build_model' (a function(hparams) that returns the compiled model); "
        "lacking.model has no 'Hyperparameters' (a frozen pydantic class); models/taxi is an example that has all of it"
    )


def test_a_module_that_is_not_there(write):
    name = write(features=WHOLE["features"], model=MODEL)
    assert fault(name) == (
        "model.package 'lacking': there is no module 'lacking.preprocessing'; "
        "a model package has features.py, preprocessing.py and model.py"
    )


def test_a_package_that_it_imports_and_that_is_not_installed(write):
    assert fault(write(**(WHOLE | {"model": "import nobody_has_this\n"}))) == (
        "lacking.model: imports 'nobody_has_this', which is not installed; install it"
    )


def test_a_line_that_is_no_python(write):
    found = fault(write(**(WHOLE | {"model": "def build_model(:\n"})))
    assert found.endswith("lacking/model.py, line 1: invalid syntax; mend that line")


def test_a_hyperparameter_that_there_is_not(write):
    package = load_package(write(**WHOLE))
    with pytest.raises(ModelPackageError) as caught:
        package.make_hyperparameters({"unit": 3})
    assert str(caught.value) == (
        "lacking.model.Hyperparameters: train.hyperparameters.unit: Extra inputs are not permitted; it has units"
    )
