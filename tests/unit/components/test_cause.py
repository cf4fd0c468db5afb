"""Real errors of TensorFlow, Keras and Beam, raised by a package in a folder of its own."""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

from hilir.components.cause import Cause, describe, find_cause, find_user_folders, read_cause
from hilir.components.errors import TrainingError, UserCodeError

SOURCE = """
import tensorflow as tf
import tf_keras as keras

def check(x):
    raise ValueError(f"bad shape\\nof rank {len(x.shape)}")

class Layer(keras.layers.Layer):
    def call(self, x):
        return check(x)

def read(inputs):
    return inputs["nope"]

def look_up(x):
    return {"a": 1}["b"]

def in_python(x):
    raise RuntimeError("inside")

def convert(x):
    try:
        return int(x)
    except ValueError as error:
        raise TypeError(f"{x!r} is not a number") from error
"""


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """The user's module, and the folder of its package."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "faulty_package").mkdir()
    (folder / "faulty_package" / "__init__.py").touch()
    (folder / "faulty_package" / "code.py").write_text(SOURCE)
    sys.path.insert(0, str(folder))
    from faulty_package import code

    yield code, folder / "faulty_package"
    sys.path.remove(str(folder))


def caught(function, *arguments) -> BaseException:
    with pytest.raises(BaseException) as error:
        function(*arguments)
    return error.value


def place(folder: Path, code: str) -> str:
    line = next(number for number, line in enumerate(SOURCE.splitlines(), 1) if code in line)
    return f"{folder / 'code.py'}:{line}"


def test_the_innermost_of_nested_blocks_counts(user):
    import tf_keras as keras

    code, folder = user
    model = keras.Sequential([code.Layer()])
    model.compile("sgd", "mse")
    error = caught(lambda: model.fit(np.zeros((4, 3)), np.zeros((4, 3)), verbose=0))
    found = find_cause(error, [str(folder)])
    assert found == Cause("ValueError", "bad shape\nof rank 2", place(folder, "raise ValueError"))
    assert str(found) == f"ValueError: bad shape\nof rank 2 ({found.place})"


def test_a_key_that_is_not_there_is_named(user):
    import tensorflow as tf

    code, folder = user
    error = caught(tf.function(code.read), {"a": tf.constant(1)})
    assert find_cause(error, [str(folder)]) == Cause("KeyError", "'nope'", place(folder, 'inputs["nope"]'))


def test_a_label_out_of_range_names_value_and_range():
    import tf_keras as keras

    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    error = caught(lambda: model.fit(np.zeros((4, 3)), np.full(4, 5), verbose=0))
    found = find_cause(error, ["/nowhere"])
    assert found.kind == "InvalidArgumentError"
    # Which operation finds it first depends on how the step is compiled.
    assert "5" in found.message
    assert "[0, 3)" in found.message
    assert "node" not in found.message
    assert found.place is None


def test_tensorflow_transforms_words_are_cut(tmp_path):
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft
    from tensorflow_transform import beam as tft_beam

    def preprocessing_fn(inputs):
        return {"month": tf.strings.substr(inputs["day"], 5, 2)}

    metadata = tft.DatasetMetadata.from_feature_spec({"day": tf.io.FixedLenFeature([], tf.string)})

    def transform():
        with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=str(tmp_path)):
            rows = pipeline | beam.Create([{"day": ""}])
            _ = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(preprocessing_fn)

    found = find_cause(caught(transform), [])
    assert found.message == "pos 5 out of range for string b'' at index 0"


def test_the_values_of_a_tensor_are_cut_and_its_shape_stays():
    import tensorflow as tf

    rows = [[at, 0] for at in range(100)]
    sparse = tf.SparseTensor(rows, tf.linspace(-1e-5, 1e5, 100), (100, 1))
    found = find_cause(caught(lambda: tf.convert_to_tensor(sparse)), [])
    assert "indices=tf.Tensor( […], shape=(100, 2), dtype=int64)" in " ".join(found.message.split())
    assert "values=tf.Tensor( […], shape=(100,), dtype=float32)" in " ".join(found.message.split())
    assert "to a Tensor" in found.message
    assert (
        find_cause(ValueError(f"expected one of {list(range(20))}"), []).message == f"expected one of {list(range(20))}"
    )


def test_shapes_that_do_not_fit_are_named():
    import tf_keras as keras

    model = keras.Sequential([keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    error = caught(lambda: model.fit(np.zeros((4, 3)), np.zeros((4, 2)), verbose=0))
    found = find_cause(error, [])
    assert (found.kind, found.message.partition(" for ")[0]) == (
        "ValueError",
        "Dimensions must be equal, but are 3 and 2",
    )


def test_an_error_in_a_python_function_of_a_graph(user):
    import tensorflow as tf

    code, folder = user
    error = caught(tf.function(lambda x: tf.py_function(code.in_python, [x], tf.float32)), 1.0)
    assert find_cause(error, [str(folder)]) == Cause("RuntimeError", "inside", place(folder, 'RuntimeError("inside")'))


def test_beams_words_are_cut(user):
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    code, folder = user

    def run():
        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            _ = pipeline | beam.Create([1]) | "Mine/Step" >> beam.Map(code.look_up)

    found = find_cause(caught(run), [str(folder)])
    assert (found.kind, found.message.strip("'\"")) == ("KeyError", "b")
    assert found.place == place(folder, '{"a": 1}["b"]')


def test_an_interrupt_that_beam_wraps_is_one():
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    def interrupt(_):
        signal.raise_signal(signal.SIGINT)

    def run():
        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            _ = pipeline | beam.Create([1]) | beam.Map(interrupt)

    error = caught(run)
    assert not isinstance(error, KeyboardInterrupt)
    assert find_cause(error, []).is_interrupt
    assert not find_cause(KeyError("KeyboardInterrupted"), []).is_interrupt


def test_the_error_that_was_raised_from_another_one_names_the_first(user):
    code, folder = user
    found = find_cause(caught(code.convert, "x"), [str(folder)])
    assert found == Cause("ValueError", "invalid literal for int() with base 10: 'x'", place(folder, "return int(x)"))


@pytest.mark.parametrize("name", ["look_up", "convert"])
def test_a_printed_traceback_gives_the_same(user, name):
    code, folder = user
    error = caught(getattr(code, name), "x")
    text = "".join(traceback.format_exception(error))
    found = read_cause(f"noise\n{text}", [str(folder)])
    assert found is not None
    assert found.kind in ("KeyError", "TypeError")
    assert found.place is not None
    assert read_cause("no error here", []) is None


def test_a_message_of_many_lines_is_kept_up_to_a_thousand_characters():
    found = find_cause(ValueError("a\nb\n" + "c" * 2000), [])
    assert found.message.startswith("a\nb\nccc")
    assert len(found.message) == 1000


@pytest.mark.parametrize(
    "text", ["", "in user code:", "Graph execution error:", "Traceback (most recent call last):", "{{function_node x}}"]
)
def test_odd_messages_do_not_break_it(text):
    assert find_cause(ValueError(text), []).kind == "ValueError"


def test_files_of_hilir_and_of_installed_packages_are_not_the_users():
    import yaml

    root = Path(__file__).parents[3]
    found = find_cause(caught(yaml.safe_load, "a: ["), [str(root)])
    # The frames of PyYAML, which is installed below the same folder, are deeper.
    assert found.kind == "ParserError"
    assert found.place.partition(":")[0] == "tests/unit/components/test_cause.py"
    found = find_cause(caught(read_cause, None, []), [str(root)])
    assert found.place.partition(":")[0] == "tests/unit/components/test_cause.py"


def test_the_users_folders_are_those_of_the_import_path(user, tmp_path, monkeypatch):
    _, folder = user
    monkeypatch.syspath_prepend(str(tmp_path))
    folders = find_user_folders("faulty_package")
    assert folders[0] == str(tmp_path)
    assert folders[-1] == str(folder)
    assert not [each for each in folders if "site-packages" in each or each.endswith("/bin")]


def test_errors_of_hilirs_own_say_all_themselves():
    try:
        try:
            raise KeyError("x")
        except KeyError as error:
            raise TrainingError("train.epochs: is 0; give at least 1") from error
    except TrainingError as error:
        found = find_cause(error, [str(Path(__file__).parent)])
        text = "".join(traceback.format_exception(error))
    assert found == Cause("TrainingError", "train.epochs: is 0; give at least 1", None, planned=True)
    assert read_cause(f"{text}I1125 10:00:00 more", []) == found
    assert describe(found, "log.txt") == "train.epochs: is 0; give at least 1"


def test_an_error_that_stands_for_the_users_names_the_log():
    found = find_cause(UserCodeError("KeyError: 'x' (m/model.py:3)"), [])
    assert describe(found, "log.txt") == "KeyError: 'x' (m/model.py:3); the whole traceback is in log.txt"


def test_a_class_of_the_users_may_have_any_name():
    found = read_cause(
        'Traceback (most recent call last):\n  File "/x/m.py", line 3, in f\n    raise\nm.TooFew: rows\n', ["/x"]
    )
    assert (found.kind, found.message, found.place) == ("TooFew", "rows", "/x/m.py:3")


def test_an_error_of_a_loaded_graph_is_the_message_of_its_operation(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    signature = [tf.TensorSpec([None], tf.string)]
    module.cut = tf.function(lambda texts: tf.strings.substr(texts, 11, 2), input_signature=signature)
    tf.saved_model.save(module, str(tmp_path / "model"))
    error = caught(tf.saved_model.load(str(tmp_path / "model")).cut, tf.constant(["?"]))
    assert str(error).startswith("Graph execution error:")
    found = find_cause(error, ["/nowhere"])
    assert (found.kind, found.message) == ("InvalidArgumentError", "pos 11 out of range for string b'?' at index 0")


def test_what_a_layer_says_within_user_code_is_its_second_paragraph(user):
    import tensorflow as tf
    import tf_keras as keras

    _code, _ = user
    layer = keras.layers.CategoryEncoding(3, output_mode="one_hot")

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int64)])
    def train(x):
        return layer(x)

    cause = find_cause(caught(train.get_concrete_function), find_user_folders())
    assert cause.kind == "ValueError"
    assert cause.message.startswith("When output_mode is not `'int'`, maximum supported output rank is 2. Received")
    assert "Call arguments" not in cause.message
