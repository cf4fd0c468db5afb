"""A data path is a folder, a file, or ends in a pattern."""

import pytest

from hilir.pipeline.config.data_path import locate


@pytest.mark.parametrize(
    ("path", "located"),
    [
        ("data", ("data", "*.csv")),
        ("data/2026-*.csv", ("data", "2026-*.csv")),
        ("2026-*.csv", (".", "2026-*.csv")),
        ("/day-{SPAN}.csv", ("/", "day-{SPAN}.csv")),
        ("gs://bucket/data", ("gs://bucket/data", "*.csv")),
        ("gs://bucket/data/{YYYY}{MM}{DD}.csv", ("gs://bucket/data", "{YYYY}{MM}{DD}.csv")),
    ],
)
def test_folders_and_patterns(path, located):
    assert locate(path, "*.csv") == located


def test_a_file(tmp_path):
    (tmp_path / "rows.csv").write_text("a\n1\n")
    assert locate(str(tmp_path / "rows.csv"), "*.parquet") == (str(tmp_path), "rows.csv")
    assert locate(str(tmp_path), "*.parquet") == (str(tmp_path), "*.parquet")
