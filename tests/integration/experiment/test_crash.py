"""kill -9 before every single effect of start and stop: traffic goes on, and the same command then succeeds."""

import pytest

from tests.integration.experiment.traffic import experiment
from tests.integration.serving.child_processes import crashing

START = ["start", "colour", "--candidate", "2", "--metric", "proportion:bought", "--planned", "1000"]


@pytest.fixture(scope="module")
def crash(place):
    with crashing("tests.integration.release.crasher") as run:
        yield lambda words, model, effect: run(["experiment", *words, "--model", model, *place.flags], effect=effect)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["start", "stop"])
def test_a_verb_killed_before_any_of_its_effects_is_repeated_with_success(place, model, crash, verb):
    words = START if verb == "start" else ["stop"]
    for effect in range(1, 20):
        if verb == "stop":
            experiment(place, *START, model=model)
        outcome = crash(words, model, effect)
        assert {place.ask(model).status_code for _ in range(5)} == {200}
        experiment(place, *words, model=model)
        state = place.state(model)
        assert state["split"].get("candidate", 0) == (50 if verb == "start" else 0)
        assert [each["ended_by"] for each in state["experiments"]][-1] == ("" if verb == "start" else "stop")
        shown = place.release("show", model=model).text
        assert shown.count("in sync") == 2, shown
        if outcome != "killed":
            break
        if verb == "start":
            place.release("abort", model=model)
            place.release("retire", model=model)
    assert outcome == "0"
    assert effect > 2, "a verb without effects shows nothing"
