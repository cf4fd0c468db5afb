"""The receiver of notifications that the guide shows, as a process, and what hilir sends to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
import urllib3

from hilir.serving.notify import Channel, send, sign
from tests.guides import FOLDER, read_blocks
from tests.integration.serving.server_process import free_port, wait_until

KEY = "the key that both sides know"
EVENT = {"event": "rollout-stop", "text": "taxi: rollout-stop 3: stable 2; traffic: version 2 100 %"}


@pytest.fixture
def receiver(tmp_path):
    """Yields the address of the process, and what it has printed."""
    (source,) = [block.text for block in read_blocks(FOLDER / "rollouts.md") if block.language == "python"]
    (tmp_path / "receiver.py").write_text(source)
    port = free_port()
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, tmp_path / "receiver.py", str(port)], stdout=out, env=os.environ | {"HOOK_KEY": KEY}
        )
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_until(lambda: answers(url), 20, "the receiver")
        yield url, lambda: (tmp_path / "out").read_text()
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        urllib3.PoolManager(retries=False).request("GET", url)
    except urllib3.exceptions.HTTPError:
        return False
    return True


def test_it_takes_what_hilir_signed(receiver, monkeypatch):
    url, printed = receiver
    monkeypatch.setenv("MY_KEY", KEY)
    assert send(Channel(webhook=url, secret="MY_KEY"), EVENT) is None
    assert printed() == EVENT["text"] + "\n"


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
    assert printed() == ("genuine\n" if status == 204 else "")
