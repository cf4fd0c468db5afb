"""Spans on disk are found by TFX's rules: compared with TFX's own functions."""

import random

import pytest

from hilir.components.example_gen.spans import fill, has_span
from hilir.pipeline.triggers.sources.new_spans import list_spans, marker_pattern

LAYOUTS = {
    "day-{SPAN}/*.csv": ["day-1/a.csv", "day-1/b.csv", "day-12/a.csv", "day-x/a.csv", "day-3/a.txt", "a.csv"],
    "{SPAN:3}.csv": ["001.csv", "012.csv", "13.csv", "0014.csv"],
    "{YYYY}-{MM}-{DD}/part-*.csv": ["2026-01-31/part-0.csv", "2026-02-30/part-0.csv", "2025-12-31/part-1.csv"],
    "s{SPAN}/v{VERSION}/data.csv": ["s1/v1/data.csv", "s1/v10/data.csv", "s1/v9/data.csv", "s0/v99/data.csv"],
    "s{SPAN:2}/v{VERSION:2}-*.csv": ["s01/v02-a.csv", "s01/v03-a.csv", "s01/v03-b.csv"],
}
REFUSED = {"day-x/a.csv", "2026-02-30/part-0.csv", "13.csv", "0014.csv"}


def write(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


@pytest.mark.parametrize("pattern", LAYOUTS)
def test_the_newest_span_is_the_one_that_tfx_takes(tmp_path, pattern):
    from tfx.components.example_gen import utils
    from tfx.proto import example_gen_pb2

    # TFX gives up at names whose span is not a number of that width; we leave them out.
    names = [name for name in LAYOUTS[pattern] if name not in REFUSED]
    random.Random(1).shuffle(names)
    write(tmp_path, names)
    split = example_gen_pb2.Input.Split(name="all", pattern=pattern)
    _, span, version = utils.calculate_splits_fingerprint_span_and_version(str(tmp_path), [split])
    newest = list_spans(tmp_path, pattern)[-1]
    assert (newest.span.number, newest.span.version) == (span, version)
    assert fill(pattern, newest.texts) == split.pattern


def test_files_belong_to_their_span_and_others_to_none(tmp_path):
    write(tmp_path, LAYOUTS["day-{SPAN}/*.csv"])
    found = list_spans(tmp_path, "day-{SPAN}/*.csv")
    assert [(each.span.number, [file.name for file in each.files]) for each in found] == [
        (1, ["a.csv", "b.csv"]),
        (12, ["a.csv"]),
    ]
    assert found[0].fingerprint()[:2] == [2, len("day-1/a.csv") * 2]


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        list_spans(tmp_path / "none", "day-{SPAN}/*.csv")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("day-{SPAN}/*", True),
        ("{YYYY}{MM}{DD}.csv", True),
        ("{YYYY}.csv", True),
        ("{MM}.csv", False),
        ("*.csv", False),
        ("v{VERSION}", False),
    ],
)
def test_has_span(pattern, expected):
    assert has_span(pattern) is expected


def test_where_the_marker_is():
    assert marker_pattern("day-{SPAN}/*.csv", "_SUCCESS") == "day-{SPAN}/_SUCCESS"
    assert marker_pattern("{SPAN:3}.csv", "{SPAN:3}.done") == "{SPAN:3}.done"
    assert fill("s{SPAN:3}/done", (("SPAN", "007"),)) == "s007/done"


@pytest.mark.parametrize(
    ("pattern", "marker", "message"),
    [
        ("{SPAN}.csv", "_SUCCESS", "for every span"),
        ("day-{SPAN}/*", "_SUCCESS", "would read as data"),
        ("day-{SPAN}/*.csv", "done.csv", "would read as data"),
        ("*/day-{SPAN}/a.csv", "_SUCCESS", "wildcard"),
    ],
)
def test_a_marker_that_cannot_work_is_refused(pattern, marker, message):
    with pytest.raises(ValueError, match=message):
        marker_pattern(pattern, marker)
