from __future__ import annotations

import pytest

from hilir.components.errors import ModelPackageError


def parse(text):
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    return text_format.Parse(text, schema_pb2.Schema())


@pytest.mark.parametrize(
    ("feature", "several"),
    [
        ("value_count { min: 1 max: 1 }", False),
        ("value_count { min: 0 max: 1 }", False),
        ("shape { dim { size: 1 } }", False),
        ("value_count { min: 1 }", True),
        ("value_count { min: 1 max: 6 }", True),
        ("", True),
    ],
)
def test_the_schema_says_whether_a_row_may_have_several_values(feature, several):
    import tensorflow as tf

    from hilir.components.trainer.export.raw_features import make_raw_features

    schema = parse(f'feature {{ name: "x" type: INT {feature} }}')
    (found,) = make_raw_features({"x": tf.io.VarLenFeature(tf.int64)}, schema).values()
    assert found.several is several
    assert found.dense_spec.shape.rank == (2 if several else 1)


def test_lists_of_lists_are_refused_by_name():
    import tensorflow as tf

    from hilir.components.trainer.export.raw_features import make_raw_features

    nested = tf.io.RaggedFeature(tf.int64, "x", [tf.io.RaggedFeature.UniformRowLength(2)])
    with pytest.raises(ModelPackageError, match=r"^the feature 'x' is a RaggedFeature of more than one list a row"):
        make_raw_features({"x": nested}, parse(""))
    sparse = tf.io.SparseFeature("at", "x", tf.float32, 9)
    with pytest.raises(ModelPackageError, match=r"^the feature 'y' is a SparseFeature .* flatten it"):
        make_raw_features({"y": sparse}, parse(""))


def test_only_what_is_missing_at_the_end_of_a_row_is_padding():
    import tensorflow as tf

    from hilir.components.trainer.export.raw_features import make_raw_features, to_dense

    (tags,) = make_raw_features({"x": tf.io.VarLenFeature(tf.string)}, parse("")).values()
    padded = tf.constant([["a", "", "b", ""], ["", "", "", ""], ["", "c", "", ""]])
    sparse = tags.from_dense(padded)
    assert sparse.values.numpy().tolist() == [b"a", b"", b"b", b"", b"c"]
    assert sparse.dense_shape.numpy().tolist() == [3, 3]
    assert to_dense(sparse).numpy().tolist() == [[b"a", b"", b"b"], [b""] * 3, [b"", b"c", b""]]
    empty = tags.from_dense(tf.zeros([0, 0], tf.string))
    assert empty.dense_shape.numpy().tolist() == [0, 0]
