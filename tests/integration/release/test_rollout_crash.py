"""kill -9 in each phase of a rollout: the same command continues, and the history tells the same as without."""

import pytest

from tests.integration.release.both_protocols import sending
from tests.integration.release.test_rollout import story
from tests.integration.release.versions import make_version
from tests.integration.serving.child_processes import crashing

STEPS = [
    "--steps",
    "20,50,100",
    "--hold",
    "0.4s",
    "--every",
    "0.1s",
    "--min-requests",
    "10",
    "--max-latency-ratio",
    "50",
]
BAD = ["--steps", "40,100", "--hold", "60s", "--every", "0.1s"]
# Phase -> (the version, its plan, the exit code, and what the history tells of it in the end).
GOOD_STORY = [
    ("stage", 2, 0.0), ("rollout", 2, 20.0), ("rollout", 2, 50.0), ("rollout", 2, 100.0), ("promote", 2, 0.0),
]  # fmt: skip
BAD_STORY = [("stage", 4, 0.0), ("rollout", 4, 40.0), ("rollout-stop", 4, 0.0)]
PHASES = {
    "hold": (2, STEPS, "0", GOOD_STORY),
    "gate": (2, STEPS, "0", GOOD_STORY),
    "apply": (2, STEPS, "0", GOOD_STORY),
    "rollback": (4, BAD, "5", BAD_STORY),
}


@pytest.fixture(scope="module")
def crash(place):
    with crashing("tests.integration.release.rollout_crasher") as run:

        def crash(version: int, plan: list[str], model: str, phase: str | None, after: int) -> str:
            words = ["release", "rollout", str(version), "--model", model, *place.flags, *plan]
            return run(words, phase=phase, after=after)

        yield crash


def check_phase(place, crash, new_model, phase: str, times: int) -> None:
    """Kills a rollout again and again until it has come to its end, `times` times in all over as many as it takes."""
    version, plan, code, told = PHASES[phase]
    killed = 0
    while killed < times:
        model = new_model()
        with sending(place.url, place.settings.listen, model, 80) as answers:
            before = len(story(place, model))
            after, outcome = 1, "killed"
            while outcome == "killed" and killed < times:
                outcome = crash(version, plan, model, phase, after)
                killed += outcome == "killed"
                # Each time a little further, so that it is killed at other places.
                after += phase != "rollback" or killed % 2
            outcome = crash(version, plan, model, None, 0) if outcome == "killed" else outcome
        assert outcome == code
        assert story(place, model)[before:] == told
        assert place.state(model)["rollout"] is None
        assert place.release("show", model=model).text.count("in sync") == 2
        wrong = {answer["version"] for answer in answers if answer["status"] != "ok"}
        assert wrong <= {"4"}, "a kill fails no request"


@pytest.fixture
def new_model(place):
    """Makes models with version 1 stable, 2 good and 4 bad."""
    import itertools

    numbers = itertools.count()

    def make() -> str:
        name = f"killed-{next(numbers)}-{id(numbers)}"
        for number in (1, 2, 4):
            make_version(place.root, number, model=name, fails_at=2.0 if number == 4 else None)
        place.release("stage", 1, model=name)
        place.release("promote", model=name)
        return name

    return make


def test_a_rollout_killed_at_a_write_is_continued(place, crash, new_model):
    check_phase(place, crash, new_model, "apply", 1)


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
def test_a_rollout_killed_ten_times_ends_in_the_same_history(place, crash, new_model, phase):
    check_phase(place, crash, new_model, phase, 10)
