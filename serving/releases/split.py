"""Who gets which label: the arithmetic of the gateway's script in Python, which its tests compare it with.

A key is hashed with FNV-1a (32 bits, http://www.isthe.com/chongo/tech/comp/fnv/) and MurmurHash3's finalizer
(https://github.com/aappleby/smhasher), and the rest modulo 10,000 is the bucket. The candidate has the lowest
buckets: as its share grows, whoever was with it stays with it.
"""

from __future__ import annotations

import random

STABLE = "stable"
CANDIDATE = "candidate"
BUCKETS = 10_000

_MASK = 0xFFFFFFFF
_FNV_OFFSET, _FNV_PRIME = 2166136261, 16777619
_MIX_1, _MIX_2 = 0x85EBCA6B, 0xC2B2AE35


def bucket_of(salt: str, key: str) -> int:
    """Returns the bucket of a user's key, 0 to 9,999; another salt gives another, independent bucket."""
    return hash_key(salt, key) % BUCKETS


def hash_key(salt: str, key: str) -> int:
    """Returns the hash of a user's key, 32 bits; the access log has it with eight hexadecimal digits."""
    value = _FNV_OFFSET
    for byte in f"{salt}:{key}".encode():
        value = ((value ^ byte) * _FNV_PRIME) & _MASK
    value = ((value ^ (value >> 16)) * _MIX_1) & _MASK
    value = ((value ^ (value >> 13)) * _MIX_2) & _MASK
    return value ^ (value >> 16)


def choose_label(salt: str, key: str | None, candidate_percent: float) -> str:
    """Returns the label for a request; without a key each request is drawn anew."""
    bucket = random.randrange(BUCKETS) if key is None else bucket_of(salt, key)  # noqa: S311 - no secret
    return CANDIDATE if bucket < round(candidate_percent * BUCKETS / 100) else STABLE


def salt_of(model: str, candidate: int | None) -> str:
    """Returns the salt while `candidate` is tried: other users are the first to get the next one."""
    return f"{model}-{candidate or 0}"
