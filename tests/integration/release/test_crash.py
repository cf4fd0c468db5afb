"""kill -9 before every single effect of every verb: traffic goes on, and the same command then succeeds."""

import pytest

from tests.integration.serving.child_processes import crashing

# verb -> (its words, what leads there, what leads back, labels and split afterwards)
CASES = {
    "promote": (["promote"], [["canary", "2", "--percent", "50"]], [["rollback", "--to", "1"]], {"stable": 2}),
    "rollback": (["rollback", "--to", "1"], [["stage", "2"], ["promote"]], [], {"stable": 1}),
    "stage": (["stage", "2"], [["abort"], ["retire"]], [], {"stable": 1, "candidate": 2}),
    "canary": (["canary", "2", "--percent", "50"], [["abort"], ["retire"]], [], {"stable": 1, "candidate": 2}),
    "abort": (["abort"], [["canary", "2", "--percent", "50"]], [], {"stable": 1}),
    "retire": (["retire"], [["stage", "2"], ["abort"]], [], {"stable": 1}),
}


@pytest.fixture(scope="module")
def crash(place):
    with crashing("tests.integration.release.crasher") as run:

        def crash(words: list[str], model: str, effect: int) -> str:
            verb, *arguments = words
            return run(["release", verb, "--model", model, *place.flags, *arguments], effect=effect)

        yield crash


@pytest.mark.parametrize(
    "verb", ["promote", *(pytest.param(verb, marks=pytest.mark.slow) for verb in CASES if verb != "promote")]
)
def test_a_verb_killed_before_any_of_its_effects_is_repeated_with_success(place, released, crash, verb):
    words, there, back, labels = CASES[verb]
    for effect in range(1, 20):
        for step in there:
            place.release(*step, model=released)
        outcome = crash(words, released, effect)
        assert {place.ask(released).status_code for _ in range(5)} == {200}
        place.release(*words, model=released)
        assert place.state(released)["labels"] == labels
        shown = place.release("show", model=released).text
        assert shown.count("in sync") == 2, shown
        if outcome != "killed":
            break
        for step in back:
            place.release(*step, model=released)
    assert outcome == "0"
    assert effect > 2, "a verb without effects shows nothing"
