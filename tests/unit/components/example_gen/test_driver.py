"""Spans are chosen when a run begins: the newest, a window of the newest, or a range."""

import pytest
from tfx.proto import example_gen_pb2

from hilir.components.errors import IngestError
from hilir.components.example_gen.driver import SpanProcessor, make_range, read_patterns
from hilir.components.example_gen.spans import check_pattern


def resolve(folder, pattern, *spans, names=("all",)):
    splits = [example_gen_pb2.Input.Split(name=name, pattern=pattern.replace("NAME", name)) for name in names]
    processor = SpanProcessor(str(folder), splits, make_range(*spans))
    span, version = processor.resolve_span_and_version()
    patterns = [processor.get_pattern_for_span_version(split.pattern, span, version) for split in splits]
    return span, version, patterns, processor.get_input_fingerprint(span, version)


@pytest.fixture
def days(tmp_path):
    for number in (1, 2, 4, 10):
        (tmp_path / f"day-{number}").mkdir()
        (tmp_path / f"day-{number}" / "a.csv").write_text("n\n" + "1\n" * number)
    return tmp_path


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ((3, None, None), [2, 4, 10]),
        ((9, None, None), [1, 2, 4, 10]),
        ((None, 2, None), [2, 4, 10]),
        ((2, 5, None), [10]),
        ((None, 1, 4), [1, 2, 4]),
        ((None, None, 2), [1, 2]),
    ],
)
def test_windows_and_ranges(days, spans, expected):
    span, version, (pattern,), fingerprint = resolve(days, "day-{SPAN}/*.csv", *spans)
    assert (span, version) == (expected[-1], None)
    assert read_patterns(pattern) == [(number, f"day-{number}/*.csv") for number in expected]
    assert [int(line.split("total_bytes:")[1].split(",")[0]) for line in fingerprint.splitlines()] == [
        2 + 2 * number for number in reversed(expected)
    ]


def test_the_newest_span_is_found_as_tfx_does(days):
    span, _, (pattern,), fingerprint = resolve(days, "day-{SPAN}/*.csv", None, None, None)
    assert (span, read_patterns(pattern)) == (10, [(None, "day-10/*.csv")])
    assert fingerprint.startswith("split:all,num_files:1,total_bytes:22,")


def test_a_span_padded_with_zeros_is_found_without_its_width(tmp_path):
    for name in ("2025-03", "2025-04"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text("n\n1\n")
    span, version, (pattern,), fingerprint = resolve(tmp_path, "2025-{SPAN}/*.csv", None, None, None)
    assert (span, version, read_patterns(pattern)) == (4, None, [(None, "2025-04/*.csv")])
    assert fingerprint.startswith("split:all,num_files:1,total_bytes:4,")
    with pytest.raises(IngestError, match=r"no file matches data\.pattern 'x-\{SPAN\}/\*'; fix data\.path"):
        resolve(tmp_path, "x-{SPAN}/*", None, None, None)


def test_days_with_versions(tmp_path):
    for name in ("2026-11-29/v1", "2026-11-29/v10", "2026-11-29/v9", "2026-11-30/v2"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.csv").write_text("n\n1\n")
    span, version, (pattern,), _ = resolve(tmp_path, "{YYYY}-{MM}-{DD}/v{VERSION}/*", 2, None, None)
    assert (span, version) == (20787, 2)
    assert read_patterns(pattern) == [(20786, "2026-11-29/v10/*"), (20787, "2026-11-30/v2/*")]


@pytest.mark.parametrize(
    ("pattern", "names", "expected"),
    [
        ("{YYYY}-{MM}/*.csv", ("2025-11", "2026-02", "2026-13"), [20393, 20485]),
        ("{YYYY}/*.csv", ("2024", "2026", "20266"), [19723, 20454]),
    ],
)
def test_months_and_years_are_their_first_day(tmp_path, pattern, names, expected):
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text("n\n1\n")
    span, _, (found,), _ = resolve(tmp_path, pattern, 5, None, None)
    assert (span, [number for number, _ in read_patterns(found)]) == (expected[-1], expected)
    assert [path for _, path in read_patterns(found)] == [f"{name}/*.csv" for name in names[:2]]


def test_why_a_file_that_is_there_is_no_span(tmp_path):
    (tmp_path / "2025-02").mkdir()
    (tmp_path / "2025-02" / "a.csv").write_text("n\n1\n")
    with pytest.raises(IngestError, match=r"2025-02/a\.csv is there, and \{SPAN\} stands for a whole number; days and"):
        resolve(tmp_path, "{SPAN}/*.csv", None, None, None)


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("{DATE}/*", "has {DATE}, which stands for nothing; write {SPAN}"),
        ("{SPAN}/{SPAN}/*", "has {SPAN} more than once; write it once, and [*] in the other places"),
        ("{MM}/*", "has {MM} without {YYYY}; write that too"),
        ("{YYYY}/{DD}/*", "has {DD} without {MM}; write that too"),
        ("{SPAN}/{YYYY}/*", "has {SPAN} and {YYYY}; write {SPAN} for numbers"),
        ("v{VERSION}/*", "has {VERSION} and no span; write {SPAN}"),
    ],
)
def test_placeholders_that_stand_for_no_span_are_refused(pattern, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_pattern(pattern)


def test_splits_with_different_spans(tmp_path):
    for name in ("1-train", "1-eval", "2-train"):
        (tmp_path / f"{name}.csv").write_text("n\n1\n")
    with pytest.raises(IngestError) as caught:
        resolve(tmp_path, "{SPAN}-NAME.csv", 2, None, None, names=("train", "eval"))
    assert str(caught.value) == (
        f"{tmp_path}: the spans of '{{SPAN}}-eval.csv' (1) are not those of '{{SPAN}}-train.csv' (1, 2); "
        f"each span needs files for every split"
    )


def test_no_span_in_the_range(days):
    with pytest.raises(IngestError) as caught:
        resolve(days, "day-{SPAN}/*.csv", None, 11, None)
    assert str(caught.value) == (
        f"{days}/day-{{SPAN}}/*.csv: has no span that data.spans asks for (there are 1, 2, 4, 10); correct data.spans"
    )
    with pytest.raises(IngestError, match=r"the pattern '\*\.csv' has none; write {SPAN} or"):
        resolve(days, "*.csv", 2, None, None)
