"""Faults of the section `data`, each in one line."""

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("data.spans={newest: 2, to: 5}", "data.spans: gives both 'newest' and 'to'; give one of them"),
        ("data.spans={from: 7, to: 5}", "data.spans: 'from' (7) is after 'to' (5); exchange them"),
        (
            "data.spans.from=yesterday",
            "data.spans.from: must be the number of a span, or a day such as 2026-11-30, and is 'yesterday'",
        ),
        (
            "data.splits={train: 2, eval: 'eval*'}",
            "data.splits: has shares and patterns of files; give one or the other for all splits",
        ),
        (
            "data.splits={train: 2, eval: 0}",
            "data.splits.eval: must be a whole number, as in {train: 4, eval: 1} for 80 % and 20 %, or a pattern of "
            "files such as 'train-*', and is '0'",
        ),
        (
            "data.split={by: [a], time: {column: t, eval_share: 0.5}}",
            "data.split: gives both 'by' and 'time'; a row can be split in one way only, remove one",
        ),
        (
            "data.split.time={column: t}",
            "data.split.time: needs one of eval_after (a date or number) and eval_share (a fraction of the rows)",
        ),
        ("data.csv.delimiter=ab", "data.csv.delimiter: must be one ASCII character, and is 'ab'"),
        ("data.csv.quote=,", "data.csv: delimiter, quote and escape must be different characters"),
        (
            "data.csv.encoding=utf-9",
            "data.csv.encoding: 'utf-9' is not a known encoding; write for example 'latin-1' or 'utf-16'",
        ),
        (
            "data.csv.names=[a, a]",
            "data.csv.names: gives the name 'a' more than once; give each column a name of its own",
        ),
        (
            "data.query=SELECT 1",
            "data: query has no effect with format: auto; set data.format: bigquery",
        ),
        (
            "data.format=bigquery",
            "data: query is missing; give the SQL of the rows, for example SELECT * FROM trips.rows",
        ),
        (
            "data={splits: {train: 'a*', eval: 'b*'}, split: {by: [x]}}",
            "data: split has no effect, as data.splits names the files of each split; remove one",
        ),
        (
            "data={format: bigquery, query: SELECT 1, drop: [x]}",
            "data: drop has no effect with format: bigquery; write it into data.query, and remove it",
        ),
    ],
)
def test_faults(setting, fault):
    with pytest.raises(ConfigError) as caught:
        load("configs/taxi.yaml", settings=[setting])
    assert str(caught.value).partition(": ")[2] == fault


def test_days_need_no_quotes(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("data: {spans: {from: 2026-11-01}, split: {time: {column: t, eval_after: 2026-11-05}}}")
    data = load("configs/taxi.yaml", [str(path)]).config.data
    assert data.spans.bounds() == (None, 20758, None)
    assert data.split.time is not None
    assert data.split.time.eval_after == "2026-11-05"
    assert data.read_settings().split == data.split
