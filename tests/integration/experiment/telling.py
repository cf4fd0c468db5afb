"""A sender of requests that also sends outcomes: those of what it was answered, half a second later, in batches."""

from __future__ import annotations

import json
import queue
import random
import threading
import time
import urllib.error
import urllib.request
from typing import Any

from tests.integration.release.both_protocols import Answer, Question, Sender

_BATCH_SECONDS = 0.5


class TellingSender(Sender):
    """The protocol of a batch of outcomes is "outcomes" among the results."""

    def __init__(self, rest: str, rpc: str, model: str, rate: int) -> None:
        self._outcomes: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._url, self._done = f"{rest}/v1/outcomes", threading.Event()
        self._poster = threading.Thread(target=self._post)
        super().__init__(rest, rpc, model, rate)
        self._poster.start()

    def happen(self, question: Question, answer: Answer, chance: random.Random) -> dict[str, float | bool]:
        """What follows an answer: values of outcomes by name."""
        raise NotImplementedError

    def hear(self, question: Question, answer: Answer, chance: random.Random) -> None:
        if answer.status == "ok":
            for name, value in self.happen(question, answer, chance).items():
                self._outcomes.put({"id": f"{answer.request_id}#0", "name": name, "value": value, "time": time.time()})

    def stop(self) -> None:
        super().stop()
        self._done.set()
        self._poster.join()

    def _post(self) -> None:
        while not (self._done.wait(_BATCH_SECONDS) and self._outcomes.empty()):
            batch = []
            while not self._outcomes.empty():
                batch.append(self._outcomes.get())
            if batch:
                entry = {"sent": time.time(), "protocol": "outcomes", "version": None}
                self.results.append(entry | {"status": self._send_batch(batch)})

    def _send_batch(self, batch: list[dict[str, Any]]) -> str:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url, json.dumps({"outcomes": batch}).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return "ok" if json.load(response)["accepted"] == len(batch) else "lost"
        except (OSError, urllib.error.URLError) as error:
            return repr(error)
