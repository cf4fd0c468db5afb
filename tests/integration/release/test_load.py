"""Releases under 200 requests per second through the gateway."""

import contextlib
import json
import subprocess
import sys
import time

from tests.integration.serving.server_process import ROOT

RATE = 200


@contextlib.contextmanager
def load(place, model, seconds):
    """Sends requests in the background; yields a list that is filled at the end."""
    url = f"{place.url}/v1/models/{model}:predict"
    words = [sys.executable, "-m", "tests.integration.release.load", url, str(RATE), str(seconds)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    answers: list[dict] = []
    time.sleep(1.5)
    try:
        yield answers
        answers += json.loads(process.communicate(timeout=seconds + 60)[0])
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_rollback_takes_effect_within_two_seconds_without_a_failed_request(place, released):
    """From a bad stable version back to the one before; seconds count from the command to the last wrong answer."""
    place.release("stage", 2, model=released)
    place.release("promote", model=released)
    with load(place, released, 6) as answers:
        began = time.time()
        place.release("rollback", model=released)
        ended = time.time()
    assert len(answers) == RATE * 6
    assert [answer for answer in answers if answer["status"] != 200] == []
    wrong = [answer["sent"] for answer in answers if answer["version"] == 2]
    right = [answer["sent"] for answer in answers if answer["version"] == 1]
    assert any(sent < began for sent in wrong), "the load began too late to show anything"
    assert any(sent > ended for sent in right)
    assert max(wrong) - began < 2.0
    assert sum(began < sent < began + 10 for sent in right) > RATE


def test_changes_of_the_split_lose_no_request_and_no_users_version(place, released):
    place.release("canary", 2, "--percent", 5, model=released)
    with load(place, released, 8) as answers:
        for percent in (10, 25, 50, 100):
            place.release("canary", 2, "--percent", percent, model=released)
        place.release("promote", model=released)
        place.release("abort", model=released)
        place.release("retire", model=released)
    assert [answer for answer in answers if answer["status"] != 200] == []
    assert {answer["version"] for answer in answers} == {1, 2}
    assert place.answering(released) == 2
