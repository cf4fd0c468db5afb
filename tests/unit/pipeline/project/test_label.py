"""The task and the classes of a label."""

import numpy as np
import pandas as pd
import pytest

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.project.label import find_label


def find(values, task=None):
    cells = pd.DataFrame({"y": [None if value is None else str(value) for value in values]}, dtype=object)
    return find_label(cells, "y", task)


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
        ([f"${n:,}.50" for n in range(900, 1100)], "regression", ()),
        # Counts and grades thin out at their ends; six codes with a rare one do not.
        ([3] * 4 + [4] * 40 + [5] * 90 + [6] * 90 + [7] * 40 + [8] * 30 + [9] * 6, "regression", ()),
        ([3] * 14 + [4] * 40 + [5] * 90 + [6] * 90 + [7] * 40 + [8] * 30 + [9] * 16, "multiclass", tuple("3456789")),
        (["5 stars", "4 stars", "1 star"] * 50, "multiclass", ("1 star", "4 stars", "5 stars")),
        (["10 %", "20 %", "30 %"] * 50, "multiclass", ("10 %", "20 %", "30 %")),
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


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["a"] * 50, None, "all rows have the same value"),
        ([None] * 50, None, "no row has a value"),
        (["a"] * 50 + ["b"] * 3, None, r"fewer than 10 rows have 'b' \(3\); merge or remove these rows"),
        (["a", "b", "c"] * 20, "binary", "has 3 values, not two"),
        (["1", "2", "x"] * 20, "regression", "contains 'x', which is not a number"),
        (["2024-01-01", "2024-01-02"] * 50, "regression", "its values are dates, such as '2024-01-01'"),
        ([f"2024-01-{n % 28 + 1:02d}" for n in range(300)], None, "its values are dates, such as '2024-01-01'"),
        ([1] * 50 + [2] * 3 + [3] * 50, None, r"fewer than 10 rows have '2' \(3\)"),
    ],
)
def test_what_cannot_be_learned_is_refused(values, task, message):
    with pytest.raises(ConfigError, match=message):
        find(values, task)


def test_a_column_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match="--label z: there is no such column; the columns are y"):
        find_label(pd.DataFrame({"y": ["1"]}), "z")


def test_a_number_with_a_unit_is_read_with_its_decimal_mark():
    label = find([f"{number},50 €" for number in range(200)])
    assert (label.task, label.decimal, label.type, label.is_declared) == ("regression", ",", "BYTES", True)
    assert label.values.tolist()[:3] == [0.5, 1.5, 2.5]


def test_combinations_are_told_with_what_predicts_each_value():
    genres = ["Action|Comedy", "Action|Drama", "Comedy|Drama", "Action", "Comedy", "Drama", "Action|Comedy|Drama"]
    genres += ["Horror", "Action|Horror", "Comedy|Horror", "Drama|Horror"]
    label = find(genres * 20)
    assert label.why.startswith(
        "11 different strings, combinations of 4 values with '|' between them; to predict each value by itself, write "
    )
    with pytest.raises(ConfigError, match=r"merge or remove these rows, combinations of 4 values with '\|' between"):
        find(genres * 20 + ["Action|Drama|Horror"])
    assert find(["Ulm, Germany", "Bonn, Germany", "Lyon, France"] * 40).why == "3 different strings"
