"""The receiver of notifications that the guide shows, as a process, and what hilir sends to it."""

from __future__ import annotations

import time

import pytest
import urllib3

from hilir.serving.notify import Channel, send, sign
from tests.notified import KEY, receiving

EVENT = {"event": "rollout-stop", "text": "taxi: rollout-stop 3: stable 2; traffic: version 2 100 %"}


@pytest.fixture
def receiver(tmp_path):
    """Yields the address of the process, and what returns the lines that it has printed."""
    with receiving(tmp_path) as found:
        yield found


def test_it_takes_what_hilir_signed(receiver, monkeypatch):
    url, printed = receiver
    monkeypatch.setenv("MY_KEY", KEY)
    assert send(Channel(webhook=url, secret="MY_KEY"), EVENT) is None
    assert printed() == [EVENT["text"]]


@pytest.mark.parametrize(
    ("age", "key", "status"), [(0, KEY, 204), (-3600, KEY, 403), (3600, KEY, 403), (0, "another key", 403)]
)
def test_it_refuses_what_is_old_or_of_others(receiver, age, key, status):
    url, printed = receiver
    at, body = str(int(time.time()) + age), b'{"text": "genuine"}'
    for sent, headers in (
        (body, {"X-Hilir-Timestamp": at, "X-Hilir-Signature": sign(key, at, body)}),
        (body + b" ", {"X-Hilir-Timestamp": at, "X-Hilir-Signature": sign(key, at, body)}),
        (body, {}),
    ):
        answer = urllib3.PoolManager(retries=False).request("POST", url, body=sent, headers=headers)
        assert answer.status == (status if headers and sent == body else 403)
    assert printed() == (["genuine"] if status == 204 else [])
