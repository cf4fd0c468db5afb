from collections import Counter
from itertools import pairwise

import pytest

from hilir.serving.releases.split import BUCKETS, bucket_of, choose_label, salt_of


def test_buckets_are_fixed_for_ever():
    """Values of another implementation (FNV-1a 32, murmur3 fmix32): users must stay where they are across releases."""
    assert [bucket_of("m-2", key) for key in ("", "bob", "alice", "Ärger", "x" * 1000)] == [
        _slow(f"m-2:{key}") for key in ("", "bob", "alice", "Ärger", "x" * 1000)
    ]
    assert bucket_of("m-2", "bob") == _slow("m-2:bob") != bucket_of("m-3", "bob")


def _slow(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        value = (value ^ value >> shift) * factor % 2**32
    return value % 10000


@pytest.mark.parametrize("make_key", [str, lambda n: f"user-{n}@example.org", lambda n: f"{n:032x}"])
def test_shares_are_what_was_asked_for_and_even(make_key):
    count = 50_000
    tenths = Counter(bucket_of("m-2", make_key(number)) * 10 // BUCKETS for number in range(count))
    chi_squared = sum((tenths[part] - count / 10) ** 2 / (count / 10) for part in range(10))
    assert chi_squared < 33  # 9 degrees of freedom: one in ten thousand


def test_who_has_the_candidate_keeps_it_while_its_share_grows():
    keys = [f"user-{number}" for number in range(2000)]
    groups = [{key for key in keys if choose_label("m-2", key, share) == "candidate"} for share in (0, 1, 10, 50, 100)]
    assert all(small <= large for small, large in pairwise(groups))
    assert (len(groups[0]), len(groups[-1])) == (0, 2000)


def test_the_next_candidate_begins_with_other_users():
    keys = [f"user-{number}" for number in range(5000)]
    first, second = (
        {key for key in keys if choose_label(salt_of("m", version), key, 10) == "candidate"} for version in (2, 3)
    )
    assert len(first & second) < 100  # 50 if independent, 500 if the same


def test_without_a_key_requests_are_drawn():
    drawn = Counter(choose_label("m-2", None, 30) for _ in range(5000))
    assert 1300 < drawn["candidate"] < 1700
