import sys

import pytest
import tensorflow as tf

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
    x, tips = tf.constant([3], tf.int64), tf.constant([0.5])
    assert preprocessing_fn({"x": x, "tips": tips}, config) == {"twice": 6, "label": 0.5}


def test_what_it_returns_is_of_the_types_that_examples_have(package, tmp_path):
    (tmp_path / "reader" / "preprocessing.py").write_text(
        "import tensorflow as tf\ndef preprocessing_fn(inputs):\n    x = inputs['x']\n    return {'bool': x > 1, "
        "'half': tf.cast(x, tf.float16), 'int': tf.cast(x, tf.int32), 'text': tf.strings.as_string(x), "
        "'sparse': tf.sparse.from_dense(tf.cast(x, tf.float64)), 'rows': tf.RaggedTensor.from_tensor(x > 2)}\n"
    )
    found = preprocessing_fn({"x": tf.constant([[1.0], [2.5]])}, make_custom_config(package, "abc"))
    assert {name: value.dtype for name, value in found.items()} == {
        "bool": tf.int64, "half": tf.float32, "int": tf.int64,
        "text": tf.string, "sparse": tf.float32, "rows": tf.int64,
    }  # fmt: skip
    assert found["bool"].numpy().tolist() == [[0], [1]]
    assert found["sparse"].values.numpy().tolist() == [1.0, 2.5]
    assert found["rows"].to_list() == [[0], [1]]


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        ("None", "returns nothing; return a dictionary from the names of features to tensors"),
        ("[inputs['x']]", "returns a list; return a dictionary from the names of features to tensors"),
        ("{}", "returns no features; return a dictionary from their names to tensors"),
        ("{'x': 3}", "returns 'x': int; return tensors, by names that are strings"),
    ],
)
def test_what_is_not_tensors_by_name_is_refused(package, tmp_path, returned, what):
    (tmp_path / "reader" / "preprocessing.py").write_text(f"def preprocessing_fn(inputs):\n    return {returned}\n")
    with pytest.raises(ModelPackageError) as caught:
        preprocessing_fn({"x": tf.constant([1.0])}, make_custom_config(package, "abc"))
    assert str(caught.value) == f"reader.preprocessing.preprocessing_fn {what}"


@pytest.mark.parametrize(("shape", "described"), [
    ([None, None], "[rows, ?]"), ([None, 3, None], "[rows, 3, ?]"), (None, "of unknown rank"),
])  # fmt: skip
def test_a_dense_tensor_of_no_known_width_is_refused(package, tmp_path, shape, described):
    source = "import tensorflow as tf\ndef preprocessing_fn(inputs):\n    return {'x': inputs['x']}\n"
    (tmp_path / "reader" / "preprocessing.py").write_text(source)
    with tf.Graph().as_default(), pytest.raises(ModelPackageError) as caught:
        preprocessing_fn(
            {"x": tf.compat.v1.placeholder(tf.float32, shape)},
            make_custom_config(package, "abc"),
        )
    start = f"reader.preprocessing.preprocessing_fn returns 'x' as a dense tensor {described}, and each row"
    assert str(caught.value).startswith(start)


@pytest.mark.parametrize(
    ("returned", "size"),
    [
        ("tft.mean(x)", "one value"), ("tf.constant(['a'])", "1 row"), ("tft.quantiles(x, 4, 0.01)", "1 row"),
        ("tft.pca(tf.concat([x, x, x], axis=1), 2, tf.float32)", "3 rows"), ("tf.sparse.eye(5)", "5 rows"),
    ],
)  # fmt: skip
def test_what_all_rows_have_in_common_is_refused(package, tmp_path, returned, size):
    (tmp_path / "reader" / "preprocessing.py").write_text(
        "import tensorflow as tf\nimport tensorflow_transform as tft\ndef preprocessing_fn(inputs):\n"
        f"    x = inputs['x']\n    return {{'fine': x, 'same': {returned}}}\n"
    )
    with tf.Graph().as_default(), pytest.raises(ModelPackageError) as caught:
        preprocessing_fn(
            {"x": tf.compat.v1.placeholder(tf.float32, [None, 1])},
            make_custom_config(package, "abc"),
        )
    assert str(caught.value) == (
        f"reader.preprocessing.preprocessing_fn returns 'same' with {size}, whatever the number of rows of the data; "
        "return a value for each row: what is the same for all (tft.mean, tft.quantiles, tft.pca, a constant) can be "
        "computed with, not returned"
    )


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
