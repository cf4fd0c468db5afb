"""The same for SQLite and for a real PostgreSQL."""

import os
import re
import stat
import threading

import pytest

from hilir.serving.errors import ServingConfigError
from hilir.serving.outcomes.backends import open_store
from hilir.serving.outcomes.outcome_records import Outcome, parse_outcome
from hilir.serving.outcomes.outcome_store import StoreFailed, Written
from tests.postgres import postgres  # noqa: F401

NOW = 1_800_000_000.0


def outcome(value, at=NOW, **fields) -> Outcome:
    about = {} if {"id", "user"} & fields.keys() else {"id": "r-1#0"}
    return parse_outcome({"name": "bought", "value": value, **about, **fields}, "here", at)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "mit Ümlaut" / "outcomes.sqlite")
    return request.getfixturevalue("postgres").new_database()


def test_a_batch_may_be_sent_again_and_the_last_value_counts(place):
    store = open_store(place)
    batch = [outcome(1), outcome(2, id="r-1#1"), outcome("setosa", id="r-2#0", name="class"), outcome(3, user="Ärger")]
    assert store.write(batch) == Written(new=4, replaced=0, unchanged=0)
    assert store.write(batch) == Written(new=0, replaced=0, unchanged=4)
    # A retry arrives later and brings no time of its own: nothing moves.
    assert store.write([outcome(1, at=NOW + 60)]) == Written(new=0, replaced=0, unchanged=1)
    assert store.write([outcome(0, at=NOW + 60), outcome(5, at=NOW + 60)]) == Written(new=0, replaced=2, unchanged=0)
    store.close()
    again = open_store(place)
    found = {each.key: each for each in again.read()}
    changed = found[batch[0].key]
    assert (changed.value, changed.time, changed.writes) == (5.0, NOW + 60, 3)
    assert [found[each.key] for each in batch[1:]] == batch[1:]
    assert again.read(["class"]) == [batch[2]]
    assert again.read([]) == []
    again.ping()


def test_a_class_may_replace_a_number_and_a_time_be_corrected(place):
    store = open_store(place)
    store.write([outcome(1)])
    assert store.write([outcome("one", time=NOW - 10)]) == Written(0, 1, 0)
    assert store.write([outcome("one", time=NOW - 10)]) == Written(0, 0, 1)
    assert store.write([outcome("one", time=NOW - 20)]) == Written(0, 1, 0)
    (found,) = store.read()
    assert (found.value, found.time, found.writes) == ("one", NOW - 20, 3)


def test_thousands_in_a_batch_and_several_writers(place):
    stores = [open_store(place) for _ in range(2)]
    batch = [outcome(1, id=f"r-{number}#0") for number in range(3_000)]
    written: list[Written] = []
    threads = [threading.Thread(target=lambda store=store: written.append(store.write(batch))) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.new for each in written) == 3_000
    assert sum(each.unchanged for each in written) == 3_000
    assert len(stores[0].read()) == 3_000


def test_a_database_that_comes_back_is_used_again(postgres):  # noqa: F811
    store = open_store(postgres.new_database())
    store.write([outcome(1)])
    postgres.stop()
    with pytest.raises(StoreFailed, match="the outcomes' database fails"):
        store.write([outcome(2)])
    postgres.start()
    assert store.write([outcome(2)]) == Written(0, 1, 0)


def test_passwords_are_in_no_message(postgres):  # noqa: F811
    place = postgres.new_database().replace("hilir:", "nobody:")
    with pytest.raises(StoreFailed, match='password authentication failed for user "nobody"') as failed:
        open_store(place)
    assert "secret" not in str(failed.value)


def test_several_replicas_need_postgresql(tmp_path):
    with pytest.raises(ServingConfigError, match=r"2 replicas cannot share a SQLite file.*postgresql://user@host"):
        open_store(str(tmp_path / "x.sqlite"), replicas=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("mysql://u@h/d", "mysql://u@h/d: give a file, or a URL like postgresql://user@host:5432/database"),
        ("postgresql://host/db", "needs a user and a database"),
        ("postgresql://u:geheim@host", "postgresql://host:5432/: needs a user and a database"),
        ("postgresql://u@host:99999/d", "needs a user and a database"),
        ("postgresql://u@host/d?sslmode=perhaps", "takes no more than ?host=FOLDER and ?sslmode=disable|require"),
    ],
)
def test_what_is_no_place_for_outcomes_is_refused(place, message):
    with pytest.raises(ServingConfigError, match=re.escape(message)) as refused:
        open_store(place)
    assert "geheim" not in str(refused.value)


def test_files_are_for_their_owner_and_must_be_databases(tmp_path):
    path = tmp_path / "outcomes.sqlite"
    open_store(str(path)).write([outcome(1)])
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    path = tmp_path / "other.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreFailed, match="file is not a database"):
        open_store(str(path))
    with pytest.raises(ServingConfigError, match="cannot be written to"):
        open_store(str(path / "below" / "x.sqlite"))
