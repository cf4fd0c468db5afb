from __future__ import annotations

import json

import pytest

from hilir.components.errors import TrainingError
from hilir.components.trainer.distribution.cluster import make_local_role, read_role


def spec(cluster, kind, index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}, "environment": "cloud"})


CHIEF = {"chief": ["c:2222"], "worker": ["w0:2222", "w1:2222"]}
POOLS = {"workerpool0": ["c:2222"], "workerpool1": ["w0:2222", "w1:2222"]}


@pytest.mark.parametrize(
    ("variable", "cluster", "kind", "index", "name", "is_chief", "rank"),
    [
        ("TF_CONFIG", CHIEF, "chief", 0, "chief", True, 0),
        ("TF_CONFIG", CHIEF, "worker", 1, "worker 1", False, 2),
        ("TF_CONFIG", {"master": ["c:1"], "worker": ["w:1"]}, "master", 0, "chief", True, 0),
        ("TF_CONFIG", {"worker": ["a:1", "b:1"]}, "worker", 0, "worker 0", True, 0),
        ("TF_CONFIG", {"worker": ["a:1", "b:1"]}, "worker", 1, "worker 1", False, 1),
        ("CLUSTER_SPEC", POOLS, "workerpool0", 0, "chief", True, 0),
        ("CLUSTER_SPEC", POOLS, "workerpool1", "0", "worker 0", False, 1),
    ],
)
def test_the_role_is_read_from_both_variables(variable, cluster, kind, index, name, is_chief, rank):
    role = read_role({variable: spec(cluster, kind, index)})
    assert role is not None
    assert (role.name, role.is_chief, role.rank, role.size) == (
        name,
        is_chief,
        rank,
        sum(len(hosts) for hosts in cluster.values()),
    )


def test_tf_config_wins():
    role = read_role({"TF_CONFIG": spec(CHIEF, "worker", 1), "CLUSTER_SPEC": spec(POOLS, "workerpool0")})
    assert role is not None
    assert role.name == "worker 1"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": "{}"},
    ],
)
def test_without_a_cluster_there_is_no_role(environment):
    assert read_role(environment) is None


@pytest.mark.parametrize(
    "environment",
    [
        {"TF_CONFIG": spec({"chief": ["c:1"]}, "chief")},
        {"CLUSTER_SPEC": spec({"workerpool0": ["c:1"]}, "workerpool0")},
    ],
)
def test_a_cluster_may_have_one_process(environment):
    role = read_role(environment)
    assert role is not None
    assert (role.size, role.is_chief) == (1, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the environment variable TF_CONFIG cannot be read"),
        ("[]", "the environment variable TF_CONFIG cannot be read"),
        (spec(CHIEF | {"ps": ["p:1"]}, "ps"), "this process is the task 'ps'"),
        (spec(CHIEF, "evaluator"), r"this process is the task 'evaluator' .* give only a chief and workers"),
        (spec(CHIEF, "worker", 2), "the task 'worker' 2 is not in the cluster, which has chief, worker"),
        (spec(CHIEF, "boss"), "the task 'boss' 0 is not in the cluster"),
    ],
)
def test_what_cannot_train_is_refused(text, message):
    with pytest.raises(TrainingError, match=message):
        read_role({"TF_CONFIG": text})


def test_parameter_servers_of_the_cluster_do_not_count():
    role = read_role({"CLUSTER_SPEC": spec(POOLS | {"workerpool2": ["r:1"]}, "workerpool1", 1)})
    assert role is not None
    assert role.size == 3


def test_local_workers_have_worker_0_as_chief():
    roles = [make_local_role(index, [5001, 5002]) for index in range(2)]
    assert [role.is_chief for role in roles] == [True, False]
    assert roles[1].addresses == {"worker": ("127.0.0.1:5001", "127.0.0.1:5002")}
