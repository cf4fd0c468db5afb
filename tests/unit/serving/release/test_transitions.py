import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hilir.serving.errors import ReleaseRefused
from hilir.serving.release import transitions as t
from hilir.serving.releases.state import State

WHEN = "2026-01-01T00:00:00+00:00"


def new() -> State:
    return State(model="m", served_root="/models")


def ready(state: State, *numbers: int) -> State:
    for number in numbers:
        state = t.verify(t.add_loaded(state, number, f"hash{number}"), number)
    return state


def promoted(state: State, number: int) -> State:
    """Through the way that verbs go, history included."""
    state = t.record(t.stage(ready(state, number), number), "stage", number, WHEN, "")
    return t.record(t.promote(state), "promote", number, WHEN, "")


def test_a_release_goes_from_stage_through_canary_to_stable_and_back():
    state = promoted(new(), 1)
    assert (state.stable, state.candidate, state.split) == (1, None, {"stable": 100.0})
    state = t.canary(ready(state, 2), 2, 12.5)
    assert state.split == {"stable": 87.5, "candidate": 12.5}
    state = t.record(t.promote(state), "promote", 2, WHEN, "")
    assert (state.stable, state.split, state.loaded) == (2, {"stable": 100.0}, (1, 2))
    assert t.rollback_target(state, None) == 1
    state = t.rollback(state, 1)
    assert (state.stable, state.loaded) == (1, (1, 2))


def test_the_candidate_label_is_served_even_without_a_candidate():
    state = promoted(new(), 1)
    assert state.served_labels == {"stable": 1, "candidate": 1}
    assert t.stage(ready(state, 2), 2).served_labels == {"stable": 1, "candidate": 2}
    assert new().served_labels == {}


def test_until_a_version_is_promoted_the_highest_loaded_one_has_the_traffic():
    state = ready(new(), 1, 3)
    assert (new().traffic, state.traffic, t.stage(state, 1).traffic) == ({}, {3: 100.0}, {3: 100.0})
    assert t.promote(t.stage(state, 1)).traffic == {1: 100.0}
    assert t.canary(promoted(state, 1), 3, 12.5).traffic == {1: 87.5, 3: 12.5}
    assert t.canary(promoted(state, 1), 3, 100).traffic == {3: 100.0}
    assert t.record(t.stage(state, 1), "stage", 1, WHEN, "").history[-1].traffic == {3: 100.0}


@pytest.mark.parametrize("percent", [-1, 100.01, 33.333, float("nan")])
def test_a_split_that_does_not_sum_to_100_is_refused(percent):
    state = ready(promoted(new(), 1), 2)
    with pytest.raises(ReleaseRefused, match="sum to 100"):
        t.canary(state, 2, percent)


def test_a_stored_split_that_does_not_sum_to_100_is_refused():
    content = promoted(new(), 1).to_json() | {"split": {"stable": 90.0}}
    with pytest.raises(ValidationError, match="sums to 90, not to 100"):
        State.model_validate(content)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda s: t.promote(s), "no candidate"),
        (lambda s: t.stage(s, 3), "not been loaded and checked"),
        (lambda s: t.stage(t.add_loaded(s, 3, "x"), 3), "not been loaded and checked"),
        (lambda s: t.rollback(s, 3), "not been loaded and checked"),
        (lambda s: t.rollback_target(s, None), "nothing to roll back to"),
        (lambda s: t.retire(s, (1,)), "version 1 is stable and cannot be retired"),
        (lambda s: t.retire(s, (7,)), "never staged"),
        (lambda s: t.verify(s, 7), "not loaded"),
        (lambda s: t.canary(s, 1, 5), "is stable already"),
        (lambda s: t.canary(ready(t.canary(ready(s, 2), 2, 5), 3), 3, 5), "version 2 is on trial with 5 %"),
        (lambda s: t.stage(ready(t.canary(ready(s, 2), 2, 5), 3), 3), "version 2 is on trial with 5 %"),
        (lambda s: t.retire(t.stage(ready(s, 2), 2), (2,)), "version 2 is candidate"),
    ],
)
def test_what_is_unsafe_is_refused_with_the_reason(act, reason):
    state = t.record(t.abort(promoted(new(), 1)), "abort", None, WHEN, "")
    with pytest.raises(ReleaseRefused, match=reason) as refused:
        act(state)
    assert "hilir release" in str(refused.value) or "choose" in str(refused.value)


def test_a_canary_needs_a_stable_version():
    with pytest.raises(ReleaseRefused, match="no stable version"):
        t.canary(ready(new(), 1), 1, 5)


def test_verbs_given_twice_do_nothing_the_second_time():
    state = promoted(promoted(new(), 1), 2)
    assert t.promote(state) == state
    back = t.record(t.rollback(state, t.rollback_target(state, None)), "rollback", 1, WHEN, "")
    assert t.rollback(back, t.rollback_target(back, None)) == back
    trial = t.canary(back, 2, 5)
    assert t.canary(trial, 2, 5) == trial
    assert t.stage(trial, 2) == trial
    assert t.abort(t.abort(trial)) == t.abort(trial)
    assert t.retire(t.retire(back)) == t.retire(back)


def test_a_promotion_is_repeated_even_after_a_retirement():
    state = promoted(promoted(new(), 1), 2)
    retired = t.record(t.retire(state), "retire", 1, WHEN, "")
    assert t.promote(retired) == retired
    assert retired.loaded == (2,)


def test_a_version_with_other_files_has_to_be_verified_again():
    state = t.add_loaded(ready(new(), 1), 1, "hash1")
    assert state.versions[1].verified
    assert not t.add_loaded(state, 1, "other").versions[1].verified


def test_a_share_may_grow_and_shadow_stays_until_the_trial_ends():
    state = t.canary(ready(promoted(new(), 1), 2), 2, 5, shadow=20)
    state = t.canary(state, 2, 50)
    assert (state.percent, state.shadow) == (50, 20)
    assert t.abort(state).shadow == 0
    assert t.promote(state).shadow == 0


_VERBS = st.lists(
    st.tuples(st.sampled_from(["stage", "canary", "promote", "rollback", "abort", "retire"]), st.integers(1, 4)),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(_VERBS)
def test_whatever_is_done_labels_stay_on_loaded_versions_and_the_split_whole(verbs):
    """A State cannot be made otherwise: what is looked for is a verb that fails with anything but a refusal."""
    state = new()
    for verb, number in verbs:
        try:
            match verb:
                case "stage":
                    after = t.stage(ready(state, number), number)
                case "canary":
                    after = t.canary(ready(state, number), number, number * 10)
                case "promote":
                    after = t.promote(state)
                case "rollback":
                    after = t.rollback(state, t.rollback_target(state, None))
                case "abort":
                    after = t.abort(state)
                case _:
                    after = t.retire(state)
        except ReleaseRefused:
            continue
        assert State.model_validate(after.to_json()) == after
        assert state.stable is None or after.stable is not None
        assert set(after.labels.values()) <= set(after.loaded)
        state = t.record(after, verb, number, WHEN, "")
