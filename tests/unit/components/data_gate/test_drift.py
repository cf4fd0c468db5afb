"""Columns of new data against the reference of a version."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from hilir.analysis.reference import Reference, to_json
from hilir.components.data_gate.data_drift import find_drift
from hilir.components.examples import read_columns, summarize_column

ROWS = 1000


def make_rows(shift: float = 0.0, new: float = 0.0, missing: float = 0.0) -> list[bytes]:
    random = np.random.default_rng(int(shift) + int(100 * new))
    rows = []
    for _ in range(ROWS):
        example = tf.train.Example()
        features = example.features.feature
        if random.random() >= missing:
            features["flipper"].float_list.value.append(random.normal(200, 14) + shift)
        island = "Anvers" if random.random() < new else random.choice(["Biscoe", "Dream"])
        features["island"].bytes_list.value.append(island.encode())
        rows.append(example.SerializeToString())
    return rows


@pytest.fixture
def push(tmp_path):
    columns = read_columns(iter(make_rows()))
    reference = Reference({name: summarize_column(column) for name, column in columns.items()})
    folder = tmp_path / "models" / "4" / "assets.extra"
    folder.mkdir(parents=True)
    (folder / "reference.json").write_text(to_json(reference))
    found = standard_artifacts.PushedModel()
    found.set_string_custom_property("pushed_destination", str(folder.parent))
    return found


def drift(push, tmp_path, rows, unread=()):
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "examples")
    examples.split_names = '["train"]'
    (tmp_path / "examples" / "Split-train").mkdir(parents=True)
    with tf.io.TFRecordWriter(f"{examples.uri}/Split-train/data.gz", "GZIP") as writer:
        for row in rows:
            writer.write(row)
    found = find_drift(push, examples, "train", unread)
    return [(finding.feature, finding.level, finding.what, finding.detail) for finding in found]


def test_the_same_again_has_none(push, tmp_path):
    assert drift(push, tmp_path, make_rows(new=0.0)) == []


def test_a_column_that_nobody_reads_does_not_drift(push, tmp_path):
    assert drift(push, tmp_path, make_rows(shift=150), {"flipper"}) == []


def test_a_number_that_is_shifted_is_an_alarm(push, tmp_path):
    ((feature, level, what, detail),) = drift(push, tmp_path, make_rows(shift=150))
    assert (feature, level, what) == ("flipper", "alarm", "distribution")
    assert detail.startswith("now 3")


def test_a_new_category_in_30_percent_is_an_alarm(push, tmp_path):
    ((feature, level, _, _),) = drift(push, tmp_path, make_rows(new=0.3))
    assert (feature, level) == ("island", "alarm")


def test_a_new_category_in_3_percent_is_seen(push, tmp_path):
    ((feature, level, _, _),) = drift(push, tmp_path, make_rows(new=0.03))
    assert (feature, level) == ("island", "seen")


def test_missing_cells_and_a_column_without_any_value(push, tmp_path):
    ((feature, level, what, detail),) = drift(push, tmp_path, make_rows(missing=1.0))
    assert (feature, level, what, detail) == ("flipper", "alarm", "share of missing values", "100.0%, was 0.0%")


def test_without_a_version_nothing_is_compared(tmp_path):
    assert find_drift(None, standard_artifacts.Examples(), "train") is None
