"""Notifications of what happened to a release or a run: a signed call of a web address, or a command.

They are sent by a thread of their own, tried again, and never fail what they are about.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

ATTEMPTS, PAUSES = 3, (0.5, 2.0)
"""How often a notification is sent, and the seconds before it is sent again."""
CALL_SECONDS, COMMAND_SECONDS = 5.0, 30.0
"""How long one attempt may take."""

Text = Annotated[str, StringConstraints(min_length=1)]


class Channel(BaseModel):
    """Where notifications go.

    Attributes:
        webhook: an address that gets a POST with JSON.
        secret: name of the environment variable with the key of the signature.
        command: a program and its arguments, which gets the JSON on its standard input.
        events: those that are sent; empty: all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]")] | None = None
    secret: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    command: Annotated[list[Text], Field(min_length=1)] | None = None
    events: list[Text] = []

    @model_validator(mode="after")
    def _check(self) -> Channel:
        if (self.webhook is None) == (self.command is None):
            raise ValueError("name a webhook or a command, one of them")
        if self.secret is not None and self.webhook is None:
            raise ValueError("secret is for a webhook")
        return self

    @property
    def name(self) -> str:
        """What messages call it; an address may have a key in its path, which is not shown."""
        return f"webhook {urlsplit(self.webhook).hostname}" if self.webhook else f"command {(self.command or [''])[0]}"


class Notifier:
    """Sends events to channels, in order.

    Args:
        channels: where to.
        warn: gets a line about what could not be sent.
    """

    def __init__(self, channels: Sequence[Channel], warn: Callable[[str], None]) -> None:
        self._channels, self._warn = tuple(channels), warn
        self._queue: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def offer(self, event: Mapping[str, Any]) -> None:
        """Has an event sent, and does not wait for it; its name is `event`."""
        if not any(_wants(channel, event) for channel in self._channels):
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="notify", daemon=True)
            self._thread.start()
        self._queue.put(event)

    def close(self, seconds: float = 30.0) -> None:
        """Waits until all is sent, or the time is over."""
        if self._thread is None:
            return
        self._queue.put(None)
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._warn(f"notifications were not all sent within {seconds:g} s; what they are about is done")

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            for channel in self._channels:
                if _wants(channel, event):
                    fault = send(channel, event)
                    if fault is not None:
                        self._warn(f"{channel.name}: the notification of {event['event']} was not delivered: {fault}")


def send(channel: Channel, event: Mapping[str, Any]) -> str | None:
    """Sends an event to a channel, several times if need be; returns why it was not delivered, None if it was."""
    body = json.dumps(event, ensure_ascii=False).encode()
    fault = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSES[attempt - 1])
        fault = _call(channel, event, body) if channel.webhook else _run(channel, body)
        if fault is None:
            return None
    return f"{fault}, {ATTEMPTS} times"


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Returns the signature of a webhook: HMAC-SHA256 (RFC 2104) of `<timestamp>.<body>`, as `sha256=<hex>`.

    The time is signed too, so that a receiver can refuse what is old, or was sent before.
    """
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _wants(channel: Channel, event: Mapping[str, Any]) -> bool:
    return not channel.events or event["event"] in channel.events


def _call(channel: Channel, event: Mapping[str, Any], body: bytes) -> str | None:
    import urllib3

    assert channel.webhook is not None
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Hilir-Event": str(event["event"]),
        "X-Hilir-Timestamp": timestamp,
    }
    if channel.secret is not None:
        secret = os.environ.get(channel.secret)
        if not secret:
            return f"the environment variable {channel.secret} with the key of the signature is not set"
        headers["X-Hilir-Signature"] = sign(secret, timestamp, body)
    try:
        pool = urllib3.PoolManager(retries=False, timeout=CALL_SECONDS)
        answer = pool.request("POST", channel.webhook, body=body, headers=headers, redirect=False)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        return f"no answer ({type(getattr(error, 'reason', None) or error).__name__})"
    return None if 200 <= answer.status < 300 else f"status {answer.status}"


def _run(channel: Channel, body: bytes) -> str | None:
    assert channel.command is not None
    try:
        done = subprocess.run(channel.command, input=body, capture_output=True, timeout=COMMAND_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no end within {COMMAND_SECONDS:g} s"
    except OSError as error:
        return f"cannot be run ({error.strerror})"
    return None if done.returncode == 0 else f"exit code {done.returncode}"
