"""Decisions about versions, after availability_preserving_policy_test.cc and the storage path source's tests."""

import pytest

from hilir.serving.server.servables.model_config import VersionPolicy
from hilir.serving.server.servables.policy import Action, Phase, Snapshot, choose_versions, index_versions, next_action

NEW, LOADING, READY, UNLOADING, ERROR, GONE = Phase


@pytest.mark.parametrize(
    ("snapshots", "action"),
    [
        ([(1, UNLOADING, 0), (2, ERROR, 0), (3, READY, 1), (4, NEW, 1), (5, NEW, 1)], (Action.LOAD, 5)),
        ([(1, UNLOADING, 0), (2, ERROR, 0), (3, READY, 0), (4, READY, 1), (5, NEW, 1)], (Action.UNLOAD, 3)),
        ([(1, GONE, 0), (2, READY, 0), (3, ERROR, 0)], (Action.UNLOAD, 2)),
        ([(1, READY, 1), (2, ERROR, 1), (3, LOADING, 1), (4, UNLOADING, 0), (5, GONE, 0)], None),
        ([(1, READY, 0), (2, LOADING, 1)], None),
        ([(1, READY, 0), (2, ERROR, 1)], None),
        ([(1, READY, 0), (2, NEW, 1)], (Action.LOAD, 2)),
        ([(1, READY, 0), (2, LOADING, 1), (3, READY, 1)], (Action.UNLOAD, 1)),
        ([(1, READY, 0), (2, ERROR, 1), (3, READY, 1)], (Action.UNLOAD, 1)),
        ([(2, READY, 0), (1, READY, 0), (3, ERROR, 1), (4, LOADING, 1)], (Action.UNLOAD, 1)),
        ([], None),
    ],
)
def test_availability_comes_first(snapshots, action):
    assert next_action(Snapshot(version, phase, bool(wanted)) for version, phase, wanted in snapshots) == action


@pytest.mark.parametrize(
    ("children", "found"),
    [
        (["1", "00000123", "x", "1a", "tmp-2", ""], {1: "1", 123: "00000123"}),
        (["17", "0017"], {17: "17"}),
        (["20150903182900"], {20150903182900: "20150903182900"}),
        (["9223372036854775807", "9223372036854775808"], {2**63 - 1: "9223372036854775807"}),
        (["1.5", "١"], {}),
    ],
)
def test_directory_names(children, found):
    assert index_versions(children) == found


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        (VersionPolicy(), [3]),
        (VersionPolicy(latest=2), [2, 3]),
        (VersionPolicy(latest=9), [1, 2, 3]),
        (VersionPolicy(all=True), [1, 2, 3]),
        (VersionPolicy(specific=frozenset({1, 3, 9})), [1, 3]),
        (VersionPolicy(specific=frozenset()), []),
    ],
)
def test_policies(policy, chosen):
    assert sorted(choose_versions(policy, {1: "1", 2: "2", 3: "0003"})) == chosen
