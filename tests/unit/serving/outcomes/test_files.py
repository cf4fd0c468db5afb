import datetime
import math
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from hilir.serving.errors import ServingConfigError
from hilir.serving.outcomes.backends import open_store
from hilir.serving.outcomes.outcome_files import import_file
from hilir.serving.outcomes.outcome_store import Written

NOW = 1_800_000_000.0


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "outcomes.sqlite"))


def read(store):
    return {(each.request or each.user, each.row, each.name, each.event): each for each in store.read()}


def test_a_csv_file_may_be_imported_again(store, tmp_path):
    file = tmp_path / "Ergebnisse März.csv"
    file.write_text(
        "\ufeffid,user,name,value,time,event\n"
        "r-1#2,,bought,true,2027-01-15T07:00:00Z,\n"
        ',"Mü,ller",spent,12.5,1799999000,order-1\n'
        "r-2,,species,setosa,,\n",
        encoding="utf-8",
    )
    assert import_file(store, str(file), lambda: NOW) == Written(3, 0, 0)
    found = read(store)
    assert found["r-1", 2, "bought", ""].value == 1.0
    assert found["r-1", 2, "bought", ""].time == NOW - 3600
    assert (found["Mü,ller", 0, "spent", "order-1"].value, found["r-2", 0, "species", ""].value) == (12.5, "setosa")
    assert import_file(store, str(file), lambda: NOW + 60) == Written(0, 0, 3)


def test_a_parquet_file_keeps_its_types(store, tmp_path):
    file = tmp_path / "outcomes.parquet"
    when = datetime.datetime(2027, 1, 15, 7, 0)
    table = pa.table(
        {"user": ["a", "b", None], "id": [None, None, "r#1"], "name": ["n"] * 3, "value": [1.5, 2.0, 0.0],
         "time": pa.array([when, None, when], pa.timestamp("us"))}
    )  # fmt: skip
    parquet.write_table(table, file)
    assert import_file(store, str(file), lambda: NOW) == Written(3, 0, 0)
    found = read(store)
    assert (found["a", 0, "n", ""].time, found["b", 0, "n", ""].dated) == (NOW - 3600, False)
    assert found["r", 1, "n", ""].value == 0.0


def test_a_decimal_number_of_a_database_is_a_number(store, tmp_path):
    table = pa.table({"id": ["r#0"], "name": ["spent"], "value": pa.array([Decimal("12.50")])})
    parquet.write_table(table, tmp_path / "outcomes.parquet")
    assert import_file(store, str(tmp_path / "outcomes.parquet")) == Written(1, 0, 0)
    assert read(store)["r", 0, "spent", ""].value == 12.5


def test_classes_that_look_like_numbers_have_a_column_of_their_own(store, tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("id,name,value,class\na,offer,,50%\nb,stars,,3\nc,spent,1e3,\nd,size,3_4,\n")
    assert import_file(store, str(file)) == Written(4, 0, 0)
    assert {each.request: each.value for each in store.read()} == {"a": "50%", "b": "3", "c": 1000.0, "d": "3_4"}
    table = pa.table({"id": ["a", "e"], "name": ["offer", "spent"], "class": ["20%", None], "value": [math.nan, 2.5]})
    parquet.write_table(table, tmp_path / "x.parquet")
    assert import_file(store, str(tmp_path / "x.parquet")) == Written(1, 1, 0)
    assert {each.request: each.value for each in store.read() if each.request in "ae"} == {"a": "20%", "e": 2.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id;name;value\na;n;1\n", "its columns are id;name;value; .* separated by commas in CSV"),
        ("id,name\na,b\n", "its columns are id, name; it needs id or user, name, and value or class"),
        ("", "its columns are none; it needs"),
        ("id,name,value\na,n,1\na,n,\n", r"x\.csv:3\.value: must be a finite number.*import the file again"),
        ("id,name,value\na,n,nan\n", r"x\.csv:2\.value: must be a finite number"),
        ("id,name,value\na,n,-Infinity\n", r"x\.csv:2\.value: must be a finite number"),
        ("id,name,value\na,n,12 EUR\n", r"x\.csv:2\.value: '12 EUR' is a number written for people"),
        ("id,user,name,value\na,b,n,1\n", r"x\.csv:2: give either id, of a prediction, or user"),
        ("id,name,value\na,n,1,2\n", r"x\.csv:2: unknown field 'a column without a name'"),
        ("id,name,value,time\na,n,1,32503680000\n", r"x\.csv:2\.time: [0-9,]+ s in the future"),
    ],
)
def test_a_wrong_row_is_named(store, tmp_path, text, message):
    file = tmp_path / "x.csv"
    file.write_text(text)
    with pytest.raises(ServingConfigError, match=message):
        import_file(store, str(file), lambda: NOW)


def test_other_files_are_refused(store, tmp_path):
    with pytest.raises(ServingConfigError, match=r"cannot be read.*check the path"):
        import_file(store, str(tmp_path / "none.csv"))
    for name, message in (("x.csv", "not CSV in UTF-8"), ("x.parquet", "not a Parquet file")):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00PAR")
        with pytest.raises(ServingConfigError, match=message):
            import_file(store, str(tmp_path / name))
    with pytest.raises(ServingConfigError, match="cannot be read"):
        import_file(store, str(tmp_path / "none.parquet"))
