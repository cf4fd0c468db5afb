"""Which columns stop preprocessing_fn, as rows have no value of them."""

import tensorflow as tf
import tensorflow_transform as tft

from hilir.components.transform.empty_cells import explain_needed, find_needed

SPECS = {
    "size": tf.SparseTensorSpec([None, None], tf.float32),
    "kind": tf.SparseTensorSpec([None, None], tf.string),
    "loose": tf.SparseTensorSpec([None, None], tf.float32),
    "tags": tf.SparseTensorSpec([None, None], tf.string),
    "rooms": tf.TensorSpec([None, 1], tf.int64),
}
SINGLE = {"size", "kind", "loose", "rooms"}


def preprocess(inputs):
    return {
        "size": tf.exp(inputs["size"]),
        "kind": tf.strings.length(inputs["kind"]),
        "loose": tft.scale_to_z_score(inputs["loose"]),
        "tags": tft.compute_and_apply_vocabulary(inputs["tags"]),
        "rooms": inputs["rooms"] + 1,
    }


def test_columns_that_must_be_dense_are_named():
    found = find_needed(preprocess, SPECS, SINGLE)
    assert found == ["size", "kind"]
    assert explain_needed("pkg", found).startswith(
        "pkg.preprocessing needs a value in each row of the columns 'size', 'kind', and there are empty cells: "
    )
    assert "of the column 'size', and" in explain_needed("pkg", ["size"])


def test_many_are_named_together(monkeypatch):
    monkeypatch.setattr("hilir.components.transform.empty_cells._MOST", 2)
    assert find_needed(preprocess, SPECS, SINGLE) == ["size", "kind", "loose"]


def test_another_fault_is_not_taken_for_empty_cells():
    assert find_needed(lambda inputs: {"x": inputs["gone"]}, SPECS, SINGLE) == []
    assert find_needed(lambda inputs: {"x": tf.strings.length(inputs["tags"])}, SPECS, SINGLE) == []
    assert find_needed(lambda inputs: {"x": tf.exp(inputs["rooms"])}, {"rooms": SPECS["rooms"]}, SINGLE) == []
