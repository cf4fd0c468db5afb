import sys

import pytest

from hilir.components.errors import ModelPackageError
from hilir.components.transform.preprocessing import make_custom_config, preprocessing_fn


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "preprocessing.py").write_text(
        "TABLE = {}\n"
        "def preprocessing_fn(inputs):\n"
        "    return {'twice': inputs['x'] * 2, 'label': inputs['tips'] if 'tips' in inputs else inputs['label']}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "reader"
    for name in ("reader", "reader.preprocessing"):
        sys.modules.pop(name, None)


def test_the_packages_function_is_called(package):
    config = make_custom_config(package, "abc")
    assert config == {"package": "reader", "code": "abc"}
    assert preprocessing_fn({"x": 3, "tips": 1}, config) == {"twice": 6, "label": 1}


def test_a_column_that_the_data_lacks_is_named(package):
    with pytest.raises(ModelPackageError) as caught:
        preprocessing_fn({"x": 3, "fare": 2}, make_custom_config(package, "abc"))
    assert str(caught.value) == (
        "reader.preprocessing reads the column 'label', which the data does not have; "
        "fix the data, or preprocessing_fn; the columns are fare, x"
    )


def test_a_key_error_of_another_kind_stays_one(package, tmp_path):
    (tmp_path / "reader" / "preprocessing.py").write_text("def preprocessing_fn(inputs):\n    return {}['x']\n")
    with pytest.raises(KeyError, match="x"):
        preprocessing_fn({"x": 3}, make_custom_config(package, "abc"))
