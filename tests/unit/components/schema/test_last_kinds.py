"""Columns stay dense, sparse or lists from one version to the next."""

from __future__ import annotations

import sys

import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils

from hilir.components.missing import list_filled
from hilir.components.schema.executor import relax
from hilir.components.schema.missing_cells import count_values
from hilir.components.trainer.export.raw_features import make_raw_features, parse_raw

SOURCE = """
import tensorflow as tf


def dense(values):
    return tf.sparse.to_dense(values) if isinstance(values, tf.SparseTensor) else values


def preprocessing_fn(inputs):
    return {
        "age": tf.exp(inputs["age"]),
        "rooms": tf.cast(inputs["rooms"] + 1, tf.float32),
        "kind": tf.strings.length(inputs["kind"]),
        "words": tf.strings.length(inputs["note"]),
        "loose": dense(inputs["loose"]),
        "price": inputs["price"],
    }
"""
MONTH = {
    "age": [1.5, 2.5, 9.0] * 20,
    "rooms": [1, 2, 7] * 20,
    "kind": ["flat", "flat", "Ö"] * 20,
    "note": [f"words {at}" for at in range(60)],
    "loose": [1.0, None, 2.0] * 20,
    "price": [10.0, 20.0, 30.0] * 20,
    "agent": ["a", "b", "c"] * 20,
    "weight": [1.0, 2.0, 1.0] * 20,
}
HOLES = {name: [None, *values[1:]] for name, values in MONTH.items()}


@pytest.fixture
def infer(tmp_path, monkeypatch):
    (tmp_path / "rooms_of").mkdir()
    (tmp_path / "rooms_of" / "__init__.py").write_text("")
    (tmp_path / "rooms_of" / "features.py").write_text("LABEL = 'price'\n")
    source = tmp_path / "rooms_of" / "preprocessing.py"
    monkeypatch.syspath_prepend(tmp_path)

    def make(columns, last=None, code=SOURCE):
        source.write_text(code)
        for name in [name for name in sys.modules if name.partition(".")[0] == "rooms_of"]:
            del sys.modules[name]
        statistics = tfdv.generate_statistics_from_dataframe(pd.DataFrame(columns, dtype=object))
        schema = tfdv.infer_schema(statistics, infer_feature_shape=True, max_string_domain_size=10)
        count_values(schema, statistics.datasets)
        relax(schema, {"package": "rooms_of", "code": "", "weight": "weight"}, statistics, last)
        return schema

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] == "rooms_of"]:
        del sys.modules[name]


def kinds(schema: schema_pb2.Schema) -> dict[str, str]:
    specs = schema_utils.schema_as_feature_spec(schema).feature_spec
    return {name: type(spec).__name__.removesuffix("LenFeature") for name, spec in specs.items()}


FIRST = {
    "age": "Fixed", "rooms": "Fixed", "kind": "Fixed", "note": "Fixed", "loose": "Var", "price": "Fixed",
    "agent": "Var", "weight": "Fixed",
}  # fmt: skip


def test_first_empty_cells_are_typical_where_the_function_needs_a_value(infer):
    first = infer(MONTH)
    assert (kinds(first), list_filled(first)) == (FIRST, {})
    second = infer(HOLES, first)
    assert kinds(second) == FIRST | {"price": "Var", "weight": "Var"}
    assert list_filled(second) == {"age": 2.5, "kind": "flat", "note": "", "rooms": 2}
    # As the training reads the rows, and as the model does.
    specs = schema_utils.schema_as_feature_spec(second).feature_spec
    wanted = {"age": [[2.5]], "rooms": [[2]], "kind": [[b"flat"]], "note": [[b""]]}
    empty = tf.constant([tf.train.Example().SerializeToString()])
    read = tf.io.parse_example(empty, {name: specs[name] for name in wanted})
    assert {name: value.numpy().tolist() for name, value in read.items()} == wanted
    raw = make_raw_features({name: specs[name] for name in wanted}, second)
    assert {name: value.numpy().tolist() for name, value in parse_raw(empty, raw).items()} == wanted
    # It lasts, with and without empty cells.
    for month in (HOLES, MONTH):
        third = infer(month, second)
        assert {name: kinds(third)[name] for name in wanted} == dict.fromkeys(wanted, "Fixed")


def test_a_column_that_had_empty_cells_stays_sparse_without(infer):
    code = SOURCE.replace('"price": inputs["price"]', '"price": inputs["price"], "raw": inputs["loose"]')
    first = infer(MONTH, code=code)
    assert kinds(infer(MONTH | {"loose": [1.0] * 60}, code=code))["loose"] == "Fixed"
    second = infer(MONTH | {"loose": [1.0] * 60}, first, code=code)
    assert kinds(second)["loose"] == "Var"


def test_code_that_changed_gets_what_it_takes(infer):
    first = infer(MONTH)
    changed = SOURCE.replace('"price": inputs', '"raw": tf.exp(inputs["loose"]), "price": inputs')
    second = infer(MONTH | {"loose": [1.0] * 60, "age": HOLES["age"]}, first, code=changed)
    assert (kinds(second)["loose"], kinds(second)["age"]) == ("Fixed", "Fixed")
    assert list_filled(second) == {"age": 2.5}


def test_in_the_first_month_too_code_that_needs_a_value_gets_one(infer):
    assert list_filled(infer(HOLES)) == {"age": 2.5, "kind": "flat", "note": "", "rooms": 2}
    assert kinds(infer(HOLES)) == FIRST | {"price": "Var", "weight": "Var"}
    # A label is not guessed.
    dense_label = SOURCE.replace('"price": inputs["price"]', '"price": tf.exp(inputs["price"])')
    assert list_filled(infer(HOLES, code=dense_label)).keys() == HOLES.keys() - {"price", "weight"}


def test_lists_of_one_value_stay_lists(infer):
    first = infer(MONTH)
    for feature in first.feature:
        if feature.name == "agent":
            feature.ClearField("value_count")
    second = infer(MONTH, first)
    (agent,) = (feature for feature in second.feature if feature.name == "agent")
    assert (agent.HasField("shape"), agent.value_count.max) == (False, 0)


def test_uses_of_columns_are_noted(infer):
    first = infer(MONTH)
    tags = {each.name: [tag for tag in each.annotation.tag if "typical" not in tag] for each in first.feature}
    assert {name: found for name, found in tags.items() if found} == {
        "agent": ["hilir.unread"],
        "price": ["hilir.label"],
    }
    # A label that is never empty has no rows without one.
    filled = SOURCE.replace(
        '"price": inputs["price"]',
        '"price": tf.sparse.to_dense(inputs["price"]) if isinstance(inputs["price"], tf.SparseTensor) '
        'else inputs["price"]',
    )
    (price,) = (feature for feature in infer(MONTH, code=filled).feature if feature.name == "price")
    assert list(price.annotation.tag) == []
