"""Releases under 200 requests per second through the gateway."""

import time

from tests.integration.serving.child_processes import loading

RATE = 200


def load(place, model):
    """Sends requests in the background while the block runs; yields a list that is filled at the end."""
    return loading("tests.integration.release.load", f"{place.url}/v1/models/{model}:predict", str(RATE))


def test_a_rollback_has_taken_effect_when_the_command_returns_and_no_request_fails(place, released):
    """From a bad stable version back to the one before."""
    place.release("stage", 2, model=released)
    place.release("promote", model=released)
    with load(place, released) as answers:
        began = time.time()
        place.release("rollback", model=released)
        ended = time.time()
    assert len(answers) > RATE
    assert [answer for answer in answers if answer["status"] != 200] == []
    wrong = [answer["sent"] for answer in answers if answer["version"] == 2]
    right = [answer["sent"] for answer in answers if answer["version"] == 1]
    assert any(sent < began for sent in wrong), "the load started too late to show anything"
    assert any(sent > ended for sent in right)
    assert not [sent for sent in wrong if sent > ended]


def test_changes_of_the_split_lose_no_request_and_no_users_version(place, released):
    place.release("canary", 2, "--percent", 5, model=released)
    with load(place, released) as answers:
        for percent in (10, 25, 50, 100):
            place.release("canary", 2, "--percent", percent, model=released)
        place.release("promote", model=released)
        place.release("abort", model=released)
        place.release("retire", model=released)
    assert [answer for answer in answers if answer["status"] != 200] == []
    assert {answer["version"] for answer in answers} == {1, 2}
    assert place.answering(released) == 2
