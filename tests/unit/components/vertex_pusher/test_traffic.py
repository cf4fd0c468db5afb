"""Splits of an endpoint's traffic: whatever is asked, they sum to 100."""

import itertools
import random

import pytest

from hilir.components.vertex_pusher import traffic


def test_any_share_of_any_split_sums_to_100():
    chance = random.Random(7)
    for _ in range(2000):
        split = traffic.scale({str(key): chance.randint(0, 99) for key in range(chance.randint(1, 6))}, 100)
        share = chance.randint(0, 100)
        given = traffic.give(split, "new", share)
        assert sum(given.values()) == 100
        assert all(value > 0 for value in given.values())
        assert given.get("new", 0) == (share if split else 100)


def test_others_keep_their_proportions():
    assert traffic.give({"1": 90, "2": 10}, "3", 10) == {"1": 81, "2": 9, "3": 10}
    assert traffic.give({"1": 1, "2": 1, "3": 98}, "4", 50) == {"1": 1, "3": 49, "4": 50}


def test_the_first_one_gets_everything_whatever_its_share():
    assert traffic.give({}, "1", 10) == {"1": 100}
    assert traffic.give({"1": 0}, "2", 0) == {"2": 100}


def test_a_version_without_share_is_only_deployed():
    assert traffic.give({"1": 100}, "2", 0) == {"1": 100}


def test_a_share_replaces_the_one_of_before():
    assert traffic.give({"1": 90, "2": 10}, "2", 50) == {"1": 50, "2": 50}


@pytest.mark.parametrize("split", [{}, {"1": 99}, {"1": 101}, {"1": 150, "2": -50}, {"1": 50, "2": 49}])
def test_what_is_no_split_is_refused(split):
    with pytest.raises(ValueError, match="sum to 100"):
        traffic.check(split)


@pytest.mark.parametrize(
    ("split", "back"),
    [
        ({"3": 10, "2": 90}, {"2": 100}),
        ({"3": 20, "2": 40, "1": 40}, {"2": 50, "1": 50}),
        ({"3": 100}, {"2": 100}),
        ({"2": 100}, {"1": 100}),
        ({"1": 100}, None),
        ({}, None),
        ({"3": 60, "guest": 40}, {"guest": 100}),
    ],
)
def test_rollback_takes_the_newest_ones_traffic(split, back):
    assert traffic.take_back(split, ["3", "2", "1"]) == back


@pytest.mark.parametrize(
    ("preferred", "refused", "back"),
    [
        ((), {"2"}, {"1": 100}),
        (("1",), (), {"1": 100}),
        (("1", "2"), {"1"}, {"2": 100}),
        (("3", "4"), (), {"2": 100}),
        ((), {"2", "1"}, None),
    ],
)
def test_rollback_goes_to_what_served_before_and_never_to_what_was_rolled_back(preferred, refused, back):
    assert traffic.take_back({"3": 100}, ["3", "2", "1"], preferred, refused) == back


def test_only_old_versions_without_traffic_expire():
    assert traffic.find_expired([5, 4, 3, 2, 1], {5, 2}, 2) == [1, 3]
    for count, keep in itertools.product(range(6), range(2, 5)):
        versions = list(range(count, 0, -1))
        assert len(traffic.find_expired(versions, set(), keep)) == max(0, count - keep)
