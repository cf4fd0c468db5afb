"""The task and the classes of a label."""

import numpy as np
import pandas as pd
import pytest

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.project.label import find_label


def find(values, task=None, decimal="."):
    cells = pd.DataFrame({"y": [None if value is None else str(value) for value in values]}, dtype=object)
    return find_label(cells, "y", decimal, task)


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["no", "yes"] * 50, "binary", ("no", "yes")),
        (["True", "False"] * 50, "binary", ("False", "True")),
        ([0, 1] * 50, "binary", ("0", "1")),
        (["1.0", "0.0", ""] * 50, "binary", ("0", "1")),
        (["bad"] * 20 + ["good"] * 100, "binary", ("good", "bad")),
        (["a", "b", "c"] * 50, "multiclass", ("a", "b", "c")),
        ([1, 2, 10] * 50, "multiclass", ("1", "2", "10")),
        (["none", "unknown", "x"] * 20, "multiclass", ("none", "unknown", "x")),
        (np.arange(200), "regression", ()),
        (np.linspace(0, 1, 200), "regression", ()),
    ],
)
def test_task_and_classes(values, task, classes):
    label = find(values)
    assert (label.task, label.classes) == (task, classes)


def test_spellings_of_a_class_are_one_and_the_most_frequent_is_its_name():
    label = find(["Yes"] * 30 + ["yes"] * 5 + ["YES "] * 3 + ["No"] * 20 + ["no."] * 2 + [""] * 4)
    assert label.classes == ("No", "Yes")
    assert label.counts == {"Yes": 38, "No": 22}
    assert label.spellings == {"yes": "Yes", "YES ": "Yes", "no.": "No"}
    assert label.missing == 4
    assert label.positive == pytest.approx(38 / 60)


def test_decimal_commas():
    label = find([f"{n},5" for n in range(100)], decimal=",")
    assert label.task == "regression"
    assert label.values.mean() == 50.0


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["a"] * 50, None, "all rows have the same value"),
        ([None] * 50, None, "no row has a value"),
        (["a"] * 50 + ["b"] * 3, None, r"fewer than 10 rows have 'b' \(3\); merge or remove these rows"),
        (["a", "b", "c"] * 20, "binary", "has 3 values, not two"),
        (["1", "2", "x"] * 20, "regression", "contains 'x', which is not a number"),
    ],
)
def test_what_cannot_be_learned_is_refused(values, task, message):
    with pytest.raises(ConfigError, match=message):
        find(values, task)


def test_a_column_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match="--label z: there is no such column; the columns are y"):
        find_label(pd.DataFrame({"y": ["1"]}), "z", ".")
