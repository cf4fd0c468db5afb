"""What a model package must have; the whole message, since it is all that the user sees."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from hilir.components.errors import ModelPackageError
from hilir.components.trainer.fit import build_network
from hilir.components.trainer.model_data import ModelData
from hilir.components.trainer.model_package import load_package

FILES = {
    "features": "LABEL = 'label'\nLABEL_COLUMNS = ('label',)\n",
    "preprocessing": "def preprocessing_fn(inputs):\n    return inputs\n",
    "model": (
        "from pydantic import BaseModel\n"
        "class Hyperparameters(BaseModel, extra='forbid'):\n    units: int = 3\n"
        "def build_model(hparams):\n    return hparams\n"
    ),
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a function that writes a package; a file given as None is left out."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"package_{abs(hash(str(tmp_path)))}"

    def make(**changes: str | None) -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        for part, content in (FILES | changes).items():
            if content is not None:
                (folder / f"{part}.py").write_text(content)
        return name

    yield make
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def fail(name: str) -> str:
    with pytest.raises(ModelPackageError) as raised:
        load_package(name)
    return str(raised.value)


def test_everything_that_is_missing_is_named(write):
    name = write(features="LABEL = 'label'\n", model="from pydantic import BaseModel\n")
    assert fail(name) == (
        f"{name}.model has no 'build_model' (a function(hparams) or (hparams, data) that returns the compiled model); "
        f"{name}.model has no 'Hyperparameters' (a frozen pydantic class); "
        f"'hilir new --example taxi' writes one that has all of it"
    )


def test_a_missing_module(write):
    name = write(preprocessing=None)
    assert fail(name) == (
        f"model.package '{name}': there is no module '{name}.preprocessing'; "
        f"a model package has features.py, preprocessing.py and model.py"
    )


def test_a_missing_package():
    assert "there is no module 'no_such_package'" in fail("no_such_package")


def test_an_import_that_is_not_installed(write):
    name = write(model="import no_such_library\n")
    message = fail(name)
    assert message.startswith(f"{name}.model: imports 'no_such_library', which is not installed (")
    assert message.endswith(f"{name}/model.py:1); install it")


def test_a_syntax_error(write):
    message = fail(write(model="def build_model(\n"))
    assert "model: SyntaxError: '(' was never closed (" in message
    assert message.endswith("model.py:1); fix that line")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("{}['x']", "KeyError: 'x'"),
        ("class TooFew(Exception): pass\nraise TooFew('rows')", "TooFew: rows"),
    ],
)
def test_what_the_package_raises_when_it_is_imported(write, line, error):
    name = write(features=line)
    message = fail(name)
    assert message.startswith(f"{name}.features cannot be imported: {error} (")
    assert f"{name}/features.py:" in message


@pytest.mark.parametrize("extra", ["forbid", "ignore"])
def test_a_hyperparameter_that_there_is_not(write, extra):
    package = load_package(write(model=FILES["model"].replace("forbid", extra)))
    with pytest.raises(ModelPackageError) as raised:
        package.make_hyperparameters({"unit": 3, "units": "many"})
    message = str(raised.value)
    assert "train.hyperparameters.units: Input should be a valid integer" in message
    assert "train.hyperparameters.unit: there is no such field, did you mean 'units'?; it has units" in message
    assert message.endswith("it has units")


def test_a_class_that_takes_any_field_gets_them(write):
    package = load_package(write(model=FILES["model"].replace("forbid", "allow")))
    assert package.make_hyperparameters({"unit": 3}).model_dump() == {"units": 3, "unit": 3}


def test_a_dataclass_is_named_as_one(write):
    model = "from dataclasses import dataclass\n@dataclass\nclass Hyperparameters:\n    units: int = 3\n"
    name = write(model=model + "def build_model(hparams):\n    return hparams\n")
    assert fail(name) == (
        f"{name}.model.Hyperparameters is a dataclass; inherit from pydantic's BaseModel with the same fields: "
        f"class Hyperparameters(BaseModel):"
    )


def test_what_is_not_a_compiled_model(write):
    package = load_package(write())
    with pytest.raises(ModelPackageError) as raised:
        build_network(package, {}, ModelData({}, (), {}))
    assert str(raised.value) == (
        f"{package.name}.model.build_model returned Hyperparameters, not a compiled tf_keras model; "
        f"call model.compile(…) and return the model"
    )


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("LABEL = 3\nLABEL_COLUMNS = ('a',)\n", "features.LABEL is 3; give the name of the label, a tuple of names"),
        ("LABEL = ()\nLABEL_COLUMNS = ('a',)\n", "features.LABEL is (); give the name of the label, a tuple of names"),
        ("LABEL = {'p': 1}\nLABEL_COLUMNS = ('a',)\n", "features.LABEL is {'p': 1}; give the name of the label"),
        ("LABEL = 'a'\nLABEL_COLUMNS = 'tips'\n", "features.LABEL_COLUMNS is 'tips'; give a tuple of column names"),
        ("LABEL = 'a'\nLABEL_COLUMNS = 3\n", "features.LABEL_COLUMNS is 3; give a tuple of column names"),
        ("LABEL = 'a'\nLABEL_COLUMNS = ()\nWEIGHT = 2\n", "features.WEIGHT is 2; give the name of the column"),
    ],
)
def test_what_features_cannot_say(write, features, message):
    assert message in fail(write(features=features))


@pytest.mark.parametrize(
    ("label", "by_output", "labels"),
    [
        ("'a'", "a", ("a",)),
        ("('a', 'b')", {"a": "a", "b": "b"}, ("a", "b")),
        ("{'p': 'a', 'q': 'a'}", {"p": "a", "q": "a"}, ("a",)),
    ],
)
def test_one_label_and_several(write, label, by_output, labels):
    package = load_package(write(features=f"LABEL = {label}\nLABEL_COLUMNS = ('a',)\nWEIGHT = 'w'\n"))
    assert package.label == by_output
    assert package.labels == labels
    assert package.no_features == (*labels, "w")


@pytest.mark.parametrize(
    ("function", "expected"),
    [("def build_model(hparams):\n    return hparams\n", 1), ("def build_model(hparams, data):\n    return data\n", 2)],
)
def test_build_model_may_take_the_data(write, function, expected):
    head = "from pydantic import BaseModel\nclass Hyperparameters(BaseModel):\n    pass\n"
    assert load_package(write(model=head + function)).build(1, 2) == expected
