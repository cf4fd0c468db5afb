import sys

import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tensorflow_transform.tf_metadata import schema_utils

from hilir.components.schema.executor import relax
from hilir.components.schema.label_only_columns import read_label_columns
from hilir.components.schema.missing_cells import count_values, find_optional
from hilir.components.schema.traced import Traced
from hilir.components.transform.preprocessing import preprocessing_fn

COMPLETE = "presence {min_fraction: 1.0 min_count: 1} shape {dim {size: 1}}"
SCHEMA = text_format.Parse(
    f"""
    feature {{ name: "size" type: FLOAT {COMPLETE} }}
    feature {{ name: "rooms" type: INT {COMPLETE} }}
    feature {{ name: "kind" type: BYTES domain: "kind" {COMPLETE} }}
    feature {{ name: "raw" type: FLOAT {COMPLETE} }}
    feature {{ name: "mass" type: INT {COMPLETE} }}
    string_domain {{ name: "kind" value: "a" value: "b" }}
    """,
    schema_pb2.Schema(),
)
SOURCE = """
import tensorflow as tf
import tensorflow_transform as tft


def dense(values, missing):
    if isinstance(values, tf.SparseTensor):
        values = tf.sparse.to_dense(values, missing)
    return tf.reshape(values, [-1, 1])


def preprocessing_fn(inputs):
    return {
        "size": dense(tft.scale_to_z_score(inputs["size"]), 0.0),
        "rooms": dense(inputs["rooms"], 7),
        "kind": dense(tft.compute_and_apply_vocabulary(inputs["kind"]), 9),
        "heavy": dense(inputs["mass"], 0),
        "raw": tft.scale_to_z_score(inputs["raw"]),
    }
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "emptiable"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "preprocessing.py").write_text(SOURCE)
    (folder / "features.py").write_text("LABEL = 'heavy'\nLABEL_COLUMNS = ('mass',)\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "emptiable"
    for name in ("emptiable", "emptiable.preprocessing", "emptiable.features"):
        sys.modules.pop(name, None)


def test_the_columns_of_the_label_are_found_where_the_package_does_not_name_them(package, tmp_path):
    (tmp_path / "emptiable" / "features.py").write_text("LABEL = 'heavy'\n")
    schema = schema_pb2.Schema()
    schema.CopyFrom(SCHEMA)
    assert read_label_columns(schema, package) == {"heavy", "mass"}
    # A label that is looked up in a table, and one that is made of features.
    (tmp_path / "emptiable" / "features.py").write_text("LABEL = {'a': 'kind', 'b': 'heavy', 'c': 'size'}\n")
    for name in ("emptiable.features", "emptiable.preprocessing"):
        del sys.modules[name]
    (tmp_path / "emptiable" / "preprocessing.py").write_text(
        SOURCE.replace('"heavy": dense(inputs["mass"], 0)', '"heavy": dense(inputs["rooms"] * inputs["mass"], 0)')
    )
    assert read_label_columns(schema, package) == {"heavy", "mass", "kind", "size"}


def test_a_sparse_column_of_one_value_a_row_is_made_dense_with_a_known_width(package, tmp_path):
    (tmp_path / "emptiable" / "preprocessing.py").write_text(
        "import tensorflow as tf\n"
        "def preprocessing_fn(inputs):\n"
        "    dense = {n: tf.sparse.to_dense(v) if isinstance(v, tf.SparseTensor) else v for n, v in inputs.items()}\n"
        "    return {'heavy': dense.pop('mass'), **dense}\n"
    )
    schema = schema_pb2.Schema()
    schema.CopyFrom(SCHEMA)
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    statistics.datasets.add()
    relax(schema, {"package": package, "code": ""}, statistics)
    specs = schema_utils.schema_as_feature_spec(schema).feature_spec
    assert {name for name, spec in specs.items() if isinstance(spec, tf.io.VarLenFeature)} == {
        "size", "rooms", "kind", "raw",
    }  # fmt: skip


def test_cells_may_be_empty_where_the_function_gives_them_a_value(package):
    schema = schema_pb2.Schema()
    schema.CopyFrom(SCHEMA)
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    raw = statistics.datasets.add().features.add(type="FLOAT", num_stats={"median": 1.5})
    raw.path.step.append("raw")
    relax(schema, {"package": package, "code": ""}, statistics)
    specs = schema_utils.schema_as_feature_spec(schema).feature_spec
    assert {name: type(spec).__name__ for name, spec in specs.items()} == {
        "size": "VarLenFeature", "rooms": "VarLenFeature", "kind": "VarLenFeature", "raw": "FixedLenFeature",
        "mass": "FixedLenFeature",
    }  # fmt: skip
    features = {feature.name: feature for feature in schema.feature}
    assert features["size"].presence == schema_pb2.FeaturePresence(min_count=1)
    assert features["raw"].presence.min_fraction == 1.0
    assert {name: list(feature.annotation.tag) for name, feature in features.items() if feature.annotation.tag} == {
        "raw": ["hilir.typical=1.5"]
    }
    assert features["kind"].distribution_constraints.min_domain_mass == pytest.approx(0.9)
    assert features["kind"].domain == "kind"


def test_a_function_that_fails_on_the_data_as_they_are_changes_nothing():
    def broken(inputs):
        return {"x": inputs["gone"]}

    assert find_optional(Traced(SCHEMA, broken)) == set()


def test_one_column_for_which_it_must_be_dense_keeps_the_others():
    def mixed(inputs):
        return {
            "both": tf.reshape(inputs["raw"], [-1, 1]),
            "kind": tf.reshape(tf.sparse.to_dense(inputs["kind"], ""), [-1, 1])
            if isinstance(inputs["kind"], tf.SparseTensor)
            else inputs["kind"],
        }

    assert find_optional(Traced(SCHEMA, mixed)) == {"size", "rooms", "kind", "mass"}


@pytest.mark.parametrize("reads_all", [False, True])
def test_of_many_columns_few_traces_find_those_that_must_be_dense(reads_all):
    schema = schema_pb2.Schema()
    for number in range(150):
        schema.feature.add().CopyFrom(SCHEMA.feature[0])
        schema.feature[-1].name = f"c{number}"
    traces = []

    def preprocess(inputs):
        # Columns that are not read share a tensor.
        traces.append(len({id(value) for value in inputs.values()}))
        filled = [
            tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
            for name, value in inputs.items()
            if name in ("c3", "c149") or (reads_all and name not in ("c7", "c8"))
        ]
        return {
            "sum": tf.add_n([tf.reshape(value, [-1, 1]) for value in filled]),
            "c7": tft.scale_to_z_score(inputs["c7"]),
            "mean": tf.reshape(inputs["c8"], [-1, 1]) - tft.mean(inputs["c9"]),
        }

    every = {feature.name for feature in schema.feature}
    assert find_optional(Traced(schema, preprocess)) == every - {"c7", "c8"}
    assert len(traces) < (40 if reads_all else 25)
    assert traces.count(150) < (40 if reads_all else 6)


def test_a_batch_without_a_value_keeps_its_rows(package):
    empty = tf.io.parse_example([tf.train.Example().SerializeToString()] * 2, {"rooms": tf.io.VarLenFeature(tf.int64)})[
        "rooms"
    ]
    import emptiable.preprocessing as module

    module.preprocessing_fn = lambda inputs: {"rooms": module.dense(inputs["rooms"], tf.constant(7, tf.int64))}
    found = preprocessing_fn({"rooms": empty}, {"package": package, "code": ""})
    assert found["rooms"].numpy().tolist() == [[7], [7]]


@pytest.mark.parametrize("order", [("complete", "gaps"), ("gaps", "complete"), ("gaps", "gaps")])
def test_an_empty_cell_of_any_split_leaves_one_value_a_row(order):
    """As SchemaGen does it: TFDV's schema of the first split, loosened by the next."""
    import pandas as pd
    import tensorflow_data_validation as tfdv

    rows = {
        "complete": pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0] * 30, "town": ["a", "b"] * 60, "full": [1, 2] * 60}),
        "gaps": pd.DataFrame({"size": [1.0, None, 3.0, 4.0] * 30, "town": ["a", "b", None] * 40, "full": [1, 2] * 60}),
    }
    statistics = [tfdv.generate_statistics_from_dataframe(rows[name]) for name in order]
    schema = tfdv.infer_schema(statistics[0], infer_feature_shape=True)
    schema = tfdv.update_schema(schema, statistics[1])
    count_values(schema, [each.datasets[0] for each in statistics])
    one = schema_pb2.ValueCount(min=1, max=1)
    found = {each.name: each for each in schema.feature}
    assert found["size"].value_count == found["town"].value_count == one
    assert found["size"].presence == found["town"].presence == schema_pb2.FeaturePresence(min_count=1)
    assert found["full"].shape == schema_pb2.FixedShape(dim=[schema_pb2.FixedShape.Dim(size=1)])
    assert found["full"].presence.min_fraction == 1.0


def test_a_column_of_lists_has_no_number_of_values_and_rows_may_have_none():
    import pyarrow as pa
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory

    def compute(lists):
        return generate_statistics_in_memory(pa.record_batch([pa.array(lists)], ["tags"]), tfdv.StatsOptions())

    complete = compute([["a"], ["b", "c"], ["c"]])
    schema = tfdv.infer_schema(complete, infer_feature_shape=True)
    assert schema.feature[0].presence.min_fraction == 1.0
    count_values(schema, [complete.datasets[0]])
    assert schema.feature[0].presence == schema_pb2.FeaturePresence(min_count=1)
    assert not tfdv.validate_statistics(compute([["a"], [], None, ["b", "c"]]), schema).anomaly_info

    statistics = [compute([["a"], ["b"], ["c"]]), compute([["a"], None, ["b", "c"]])]
    schema = tfdv.update_schema(tfdv.infer_schema(statistics[0], infer_feature_shape=True), statistics[1])
    count_values(schema, [each.datasets[0] for each in statistics])
    assert schema.feature[0].value_count.max != 1
    assert schema.feature[0].presence == schema_pb2.FeaturePresence(min_count=1)
