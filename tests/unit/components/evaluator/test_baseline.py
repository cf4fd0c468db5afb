"""The baseline is the latest blessed model that is not the candidate."""

import pytest
from tfx.types import standard_artifacts

from hilir.components.evaluator.baseline import LatestOtherBlessedModelStrategy


def model(number):
    artifact = standard_artifacts.Model()
    artifact.id = number
    return artifact


def blessing(number, of, blessed=True):
    artifact = standard_artifacts.ModelBlessing()
    artifact.id = number
    artifact.set_int_custom_property("current_model_id", of)
    artifact.set_int_custom_property("blessed", int(blessed))
    return artifact


MODELS = [model(1), model(3), model(5)]
BLESSINGS = [blessing(2, of=1), blessing(4, of=3), blessing(6, of=5, blessed=False)]


@pytest.mark.parametrize(
    ("models", "blessings", "candidate", "found"),
    [
        ([], [], 1, []),
        (MODELS[:1], BLESSINGS[:1], 1, []),
        (MODELS[:1], [], 3, []),
        (MODELS[:2], BLESSINGS[:2], 3, [1]),
        (MODELS[:2], BLESSINGS[:2], 1, [3]),
        (MODELS, BLESSINGS, 7, [3]),
        (MODELS, BLESSINGS, 5, [3]),
    ],
    ids=["nothing", "only itself", "not blessed", "itself the latest", "an old one again", "new", "latest refused"],
)
def test_the_baseline_is_another_model(models, blessings, candidate, found):
    inputs = {"model": list(models), "model_blessing": list(blessings), "candidate": [model(candidate)]}
    resolved = LatestOtherBlessedModelStrategy().resolve_artifacts(None, inputs)
    assert [artifact.id for artifact in resolved["model"]] == found
    assert len(resolved["model_blessing"]) == len(found)
    assert resolved["candidate"] == []


def test_a_run_without_a_candidate_finds_the_latest():
    inputs = {"model": list(MODELS), "model_blessing": list(BLESSINGS), "candidate": []}
    resolved = LatestOtherBlessedModelStrategy().resolve_artifacts(None, inputs)
    assert [artifact.id for artifact in resolved["model"]] == [3]
