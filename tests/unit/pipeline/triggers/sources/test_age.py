"""Age: fires when the served version is too old, once per limit."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from hilir.pipeline.triggers.sources.age import ModelAge
from hilir.pipeline.triggers.sources.served_version import find_served

MADE = datetime(2026, 1, 1, tzinfo=UTC)


def push(model, version, created=MADE):
    (model / str(version)).mkdir(parents=True)
    (model / str(version) / "manifest.json").write_text(json.dumps({"created": created.isoformat()}))


def keys(model, hours):
    return [firing.key for firing in ModelAge(model, 24).look({}, MADE + timedelta(hours=hours)).firings]


def test_age(tmp_path):
    assert keys(tmp_path, 0) == [f"age:none:{MADE.timestamp():.0f}:0"]
    push(tmp_path, 3)
    assert keys(tmp_path, 23.9) == []
    assert keys(tmp_path, 24) == ["age:3:1"]
    # A run whose model was not blessed changes nothing; it is tried again a limit later.
    assert keys(tmp_path, 47) == ["age:3:1"]
    assert keys(tmp_path, 49) == ["age:3:2"]
    push(tmp_path, 10, MADE + timedelta(hours=30))
    assert keys(tmp_path, 49) == []


def test_without_a_version_it_fires_at_once_and_again_after_each_limit(tmp_path):
    trigger, memory, found = ModelAge(tmp_path, 24), {}, []
    for hours in (0, 1, 23, 25, 47, 49):
        look = trigger.look(memory, MADE + timedelta(hours=hours))
        memory = json.loads(json.dumps(dict(look.memory)))
        found += [firing.key.rpartition(":")[2] for firing in look.firings]
    assert found == ["0", "0", "0", "1", "1", "2"]


def test_the_served_version_is_the_stable_one(tmp_path):
    push(tmp_path, 3)
    push(tmp_path, 10, MADE + timedelta(hours=30))
    (tmp_path / "release.json").write_text(json.dumps({"labels": {"stable": 3, "candidate": 10}}))
    assert find_served(tmp_path).version == 3
    assert find_served(tmp_path, newest=True).version == 10
    assert keys(tmp_path, 49) == ["age:3:2"]


def test_a_manifest_that_says_too_little_is_an_error_that_may_pass(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="lacks 'created'"):
        find_served(tmp_path)


def test_a_clock_that_is_set_back_does_not_keep_it_quiet(tmp_path):
    """The version was made three days from now, as this clock says it."""
    now = MADE - timedelta(days=3)
    trigger, memory, found = ModelAge(tmp_path, 24), {}, []
    push(tmp_path, 3)
    for hours in (0, 23, 25, 47, 49):
        look = trigger.look(memory, now + timedelta(hours=hours))
        memory = json.loads(json.dumps(dict(look.memory)))
        found.append([firing.key for firing in look.firings])
    assert found == [[], [], ["age:3:1"], ["age:3:1"], ["age:3:2"]]


def test_without_a_version_the_limits_count_from_a_clock_that_was_set_back(tmp_path):
    look = ModelAge(tmp_path, 24).look({"none_since": MADE.timestamp()}, MADE - timedelta(days=3))
    assert look.memory == {"none_since": (MADE - timedelta(days=3)).timestamp()}
