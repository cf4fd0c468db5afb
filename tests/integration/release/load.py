"""Sends requests at a steady rate from a process of its own: `python -m … URL RATE SECONDS`, JSON of all answers."""

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

THREADS = 16


def send(url: str, rate: float, seconds: float) -> list[dict]:
    parts = urlsplit(url)
    body = json.dumps({"instances": [[2.0]]})
    start = time.monotonic() + 0.2
    results: list[dict] = []

    def work(first: int) -> None:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        for number in range(first, int(rate * seconds), THREADS):
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
            sent = time.time()
            try:
                connection.request("POST", parts.path, body, {"X-User-Key": f"user-{number % 500}"})
                response = connection.getresponse()
                answer = response.read()
                value = json.loads(answer)["predictions"][0][0] - 1.0 if response.status == 200 else None
                entry = {"status": response.status, "version": value}
            except (OSError, http.client.HTTPException, ValueError) as error:
                connection.close()
                entry = {"status": repr(error), "version": None}
            results.append({"sent": sent, "seconds": time.time() - sent, **entry})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


if __name__ == "__main__":
    print(json.dumps(send(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))))
