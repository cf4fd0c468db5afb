"""What stays: the newest, the young, the protected, and what they need."""

from datetime import timedelta

import pytest

from hilir.pipeline.run.retention import Item, Rule, choose_kept, find_needed, parse_age

DAY = 86_400.0
ITEMS = [Item("d", 1 * DAY), Item("c", 10 * DAY), Item("b", 40 * DAY), Item("a", 90 * DAY)]


@pytest.mark.parametrize(
    ("rule", "protected", "kept"),
    [
        (Rule(1), [], "d"),
        (Rule(2), [], "dc"),
        (Rule(9), [], "dcba"),
        (Rule(1, timedelta(days=30)), [], "dc"),
        (Rule(3, timedelta(days=30)), [], "dcb"),
        (Rule(1), ["a"], "da"),
        (Rule(1), ["never there"], "d"),
    ],
)
def test_the_newest_the_young_and_the_protected_stay(rule, protected, kept):
    assert choose_kept(ITEMS, rule, protected) == set(kept)


def test_ages_are_hours_days_or_weeks():
    assert parse_age("12h") == timedelta(hours=12)
    assert parse_age(" 30 D") == timedelta(days=30)
    assert parse_age("2w") == timedelta(days=14)
    for wrong in ("", "30", "d", "1.5d", "-1d", "3 months"):
        with pytest.raises(ValueError, match="is not an age; write hours, days or weeks"):
            parse_age(wrong)


def test_a_kept_run_needs_what_it_touched_and_the_pushes_of_its_models():
    touched = {"new": {1, 2, 7}, "old": {3, 4}}
    assert find_needed(["new"], touched, {8: 7, 9: 4, 10: None}) == {1, 2, 7, 8}
    assert find_needed([], touched, {9: 4}) == set()
    assert find_needed(["without a record"], touched, {}) == set()
