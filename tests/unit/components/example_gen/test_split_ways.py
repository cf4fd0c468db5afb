"""How rows are shared out over splits: by keys, by time, by files."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilir.components.errors import IngestError
from hilir.components.example_gen.times import Histogram
from tests.unit.components.example_gen.conftest import values


@pytest.fixture
def customers(ingesting):
    return ingesting.write("n,customer,x\n" + "".join(f"{i},c{i % 50},{i % 3}\n" for i in range(3000)))


def numbers(ingesting, name: str) -> set[int]:
    return {values(record)["n"][0] for record in ingesting.records(name)}


def test_equal_keys_are_never_on_two_sides(ingesting, customers):
    ingesting.run(customers, drop=["customer"], **by("customer"))
    train, evaluation = ({n % 50 for n in numbers(ingesting, name)} for name in ("train", "eval"))
    assert not train & evaluation
    assert len(train | evaluation) == 50
    assert 10 < len(evaluation) < 25
    assert len(numbers(ingesting, "train")) == 60 * len(train)


def test_equal_rows_apart_are_shared_out_by_their_place(ingesting, monkeypatch):
    # Four different rows, which together would be on one side or the other.
    data = ingesting.write("a,b\n" + "".join(f"{i % 2},{i // 2 % 2}\n" for i in range(2000)))
    found = {}
    for block in (1 << 20, 512):
        monkeypatch.setattr("hilir.components.example_gen.ingest._SMALLEST", block)
        ingesting.run(data, split_by={"equal_rows": "apart"})
        found[block] = {
            name: sorted(str(values(each)) for each in ingesting.records(name)) for name in ("train", "eval")
        }
        ingesting.empty()
    assert found[1 << 20] == found[512]
    train, evaluation = found[512]["train"], found[512]["eval"]
    assert len(train) + len(evaluation) == 2000
    assert 600 < len(evaluation) < 740
    assert len(set(train)) == len(set(evaluation)) == 4


def test_another_salt_is_another_division(ingesting, customers):
    ingesting.run(customers, **by("customer", "x"))
    first = numbers(ingesting, "train")
    ingesting.empty()
    ingesting.run(customers, **by("customer", "x"))
    assert numbers(ingesting, "train") == first
    ingesting.empty()
    ingesting.run(customers, **by("customer", "x", salt="again"))
    assert numbers(ingesting, "train") != first


def test_keys_have_the_same_split_in_every_form(ingesting, customers):
    ingesting.run(customers, **by("customer"))
    first = numbers(ingesting, "train")
    ingesting.empty()
    rows = [{"n": i, "customer": f"c{i % 50}", "x": i % 3} for i in range(3000)]
    pq.write_table(pa.Table.from_pylist(rows), ingesting.folder / "a.parquet")
    ingesting.run(str(ingesting.folder / "a.parquet"), **by("customer"))
    assert numbers(ingesting, "train") == first


@pytest.mark.parametrize("form", ["{}", "{}T00:00:00", "{}T00:00:00+00:00", "{} 00:00:00"])
def test_rows_from_a_day_on_are_for_evaluation(ingesting, form):
    days = [datetime.date(2026, 1, 1) + datetime.timedelta(days=i) for i in range(100)]
    path = ingesting.write("n,t\n" + "".join(f"{i},{form.format(day)}\n" for i, day in enumerate(days)))
    ingested = ingesting.run(path, split_by={"time": {"column": "t", "eval_after": "2026-03-01"}})
    assert numbers(ingesting, "eval") == set(range(59, 100))
    assert ingested.notes[-1] == "rows with 't' from 2026-03-01 on are for evaluation"


def test_the_newest_share_of_the_rows_is_for_evaluation(ingesting):
    lines = [f"{i},{1_700_000_000 + (i * 7919) % 1000}" for i in range(1000)]
    path = ingesting.write("n,t\n" + "\n".join(lines) + "\n")
    ingested = ingesting.run(path, split_by={"time": {"column": "t", "eval_share": 0.3}})
    assert ingested.rows == {"train": 700, "eval": 300}
    assert numbers(ingesting, "eval") == {i for i in range(1000) if (i * 7919) % 1000 >= 700}


@pytest.mark.parametrize("eval_after", ["2026-03-01", "01/03/2026"])
@pytest.mark.parametrize("form", ["rows.csv", "rows.parquet"])
def test_texts_of_a_form_are_times(ingesting, form, eval_after):
    import pyarrow as pa
    import pyarrow.parquet as pq

    days = ["31/01/2026", " 28/02/2026", "01/03/2026", "05/03/2026 "]
    path = str(ingesting.folder / form)
    if form == "rows.csv":
        ingesting.write("n,t\n" + "".join(f"{n},{day}\n" for n, day in enumerate(days)), form)
    else:
        pq.write_table(pa.table({"n": range(4), "t": days}), path)
    found = ingesting.run(path, split_by={"time": {"column": "t", "format": "%d/%m/%Y", "eval_after": eval_after}})
    assert found.notes == ["rows with 't' from 2026-03-01 on are for evaluation"]
    kept = sorted(values(record)["n"][0] for record in ingesting.records("eval"))
    assert kept == [2, 3]


def test_a_row_without_a_time(ingesting):
    path = ingesting.write("n,t\n1,2026-01-01\n2,\n3,11/30/2026\n")
    settings = {"split_by": {"time": {"column": "t", "eval_after": "2026-03-01"}}}
    with pytest.raises(IngestError) as caught:
        ingesting.run(path, **settings)
    assert str(caught.value) == (
        f"{path}: row 2 (line 3) column 't' has no value, which is not a time that the row could be split by "
        f"(2 such rows in all); write numbers, or dates as 2026-11-30 (ISO 8601), or say with "
        "data.split.time.format how they are written, for example '%d/%m/%Y', or set data.on_bad_rows: skip"
    )
    with pytest.raises(IngestError, match=r"has no column 'u', which data\.split\.time\.column names"):
        ingesting.run(path, split_by={"time": {"column": "u", "eval_share": 0.5}})


def test_a_histogram_is_the_same_however_it_was_added_up():
    import numpy as np

    chance = np.random.default_rng(1)
    times = chance.integers(0, 10**12, 200_000)
    whole, parts = Histogram(), Histogram()
    whole.add(times)
    for part in np.array_split(times, 7):
        each = Histogram()
        each.add(part)
        parts.merge(each)
    assert (parts.shift, parts.counts) == (whole.shift, whole.counts)
    assert abs((times >= whole.find_threshold(0.3)).mean() - 0.3) < 1e-4


def test_files_of_each_split(ingesting):
    train, evaluation = ingesting.write("n\n1\n2\n", "train.csv"), ingesting.write("n\n3.5\n", "eval.csv")
    ingested = ingesting.run_files([(train, "train"), (evaluation, "eval")])
    assert ingested.rows == {"train": 2, "eval": 1}
    assert [values(record) for record in ingesting.records("train")] == [{"n": [1.0]}, {"n": [2.0]}]


def by(*columns: str, salt: str = "") -> dict:
    return {"split_by": {"by": list(columns), "salt": salt}}
