"""Sends requests at a steady rate from a process of its own: `python -m … URL RATE`, JSON of all answers.

It prints "answered" after the first answer. When its standard input is closed, it sends RATE more requests and stops.
"""

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

THREADS = 16


class Load:
    """Requests that are due at their own times, whatever the answers take."""

    def __init__(self, url: str, rate: int) -> None:
        self._place = urlsplit(url)
        self._rate = rate
        self._start = time.monotonic() + 0.2
        self._last = sys.maxsize
        self.answered = threading.Event()
        self.results: list[dict] = []
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Sends for one more second, and waits for all answers."""
        self._last = int((time.monotonic() - self._start) * self._rate) + self._rate
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        connection = http.client.HTTPConnection(self._place.hostname, self._place.port, timeout=10)
        body = json.dumps({"instances": [[2.0]]})
        while number < self._last:
            time.sleep(max(0.0, self._start + number / self._rate - time.monotonic()))
            sent = time.time()
            try:
                connection.request("POST", self._place.path, body, {"X-User-Key": f"user-{number % 500}"})
                response = connection.getresponse()
                answer = response.read()
                value = json.loads(answer)["predictions"][0][0] - 1.0 if response.status == 200 else None
                entry = {"status": response.status, "version": value}
            except (OSError, http.client.HTTPException, ValueError) as error:
                connection.close()
                entry = {"status": repr(error), "version": None}
            self.results.append({"sent": sent, **entry})
            self.answered.set()
            number += THREADS


if __name__ == "__main__":
    load = Load(sys.argv[1], int(sys.argv[2]))
    load.answered.wait()
    print("answered", flush=True)
    sys.stdin.read()
    load.stop()
    print(json.dumps(load.results))
