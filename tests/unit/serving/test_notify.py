"""Notifications: signed, tried again, and harmless."""

import hashlib
import hmac
import http.server
import json
import stat
import threading

import pytest
from pydantic import ValidationError

from hilir.serving import notify
from hilir.serving.notify import Channel, Notifier, sign

EVENT = {"event": "rollout-stop", "text": "half: rolled back", "version": 3}


@pytest.fixture
def receiver():
    """A web server that keeps what it gets and answers with the next status of `answers`, then 204."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((dict(self.headers), body))
            self.send_response(server.answers.pop(0) if server.answers else 204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.answers = [], []
    server.url = f"http://127.0.0.1:{server.server_port}/hook/key-in-path"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(notify, "PAUSES", (0.01, 0.01))


def deliver(*channels: Channel, events=(EVENT,)) -> list[str]:
    warnings: list[str] = []
    notifier = Notifier(channels, warnings.append)
    for event in events:
        notifier.offer(event)
    notifier.close()
    return warnings


def test_a_webhook_is_signed_with_the_time_and_tried_again(receiver, monkeypatch):
    monkeypatch.setenv("HOOK_KEY", "s3cret")
    receiver.answers = [503, 500]
    assert deliver(Channel(webhook=receiver.url, secret="HOOK_KEY")) == []
    assert len(receiver.got) == 3
    headers, body = receiver.got[-1]
    assert json.loads(body) == EVENT
    assert headers["X-Hilir-Event"] == "rollout-stop"
    signed = headers["X-Hilir-Timestamp"].encode() + b"." + body
    assert headers["X-Hilir-Signature"] == "sha256=" + hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()


def test_a_signature_that_a_receiver_can_compare_with():
    assert sign("key", "1700000000", b"{}") == (
        "sha256=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    )


def test_what_cannot_be_delivered_is_one_line_without_the_address(receiver, monkeypatch):
    receiver.answers = [500] * 3
    (line,) = deliver(Channel(webhook=receiver.url))
    assert line == "webhook 127.0.0.1: the notification of rollout-stop was not delivered: status 500, 3 times"
    monkeypatch.delenv("NO_KEY", raising=False)
    (line,) = deliver(Channel(webhook=receiver.url, secret="NO_KEY"))
    assert "the environment variable NO_KEY with the key of the signature is not set" in line
    (line,) = deliver(Channel(command=["/nowhere/tell"]))
    assert "command /nowhere/tell: " in line
    assert "cannot be run (No such file or directory)" in line


def test_a_command_gets_the_event_and_only_those_it_asked_for(tmp_path):
    script = tmp_path / "tell it.sh"
    script.write_text(f'#!/bin/sh\ncat >> "{tmp_path}/got"; echo >> "{tmp_path}/got"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    channel = Channel(command=[str(script)], events=["promote"])
    assert deliver(channel, events=[EVENT, {"event": "promote"}, {"event": "promote", "text": "ü"}]) == []
    got = [json.loads(line) for line in (tmp_path / "got").read_text().splitlines()]
    assert got == [{"event": "promote"}, {"event": "promote", "text": "ü"}]


@pytest.mark.parametrize(
    "content",
    [{}, {"webhook": "ftp://x"}, {"webhook": "http://x", "command": ["x"]}, {"command": []}, {"wbehook": "http://x"},
     {"command": ["x"], "secret": "KEY"}, {"webhook": "http://x", "secret": "not a name"}],
)  # fmt: skip
def test_a_channel_that_makes_no_sense_is_refused(content):
    with pytest.raises(ValidationError):
        Channel.model_validate(content)
