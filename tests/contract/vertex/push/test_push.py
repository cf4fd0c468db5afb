"""The push to Vertex AI and rollback, with the real client."""

from __future__ import annotations

import pytest

from hilir.components.vertex.errors import VertexError
from hilir.components.vertex_pusher import endpoint as endpoints
from hilir.components.vertex_pusher.push import connect, push, roll_back, split_traffic
from tests.contract.vertex.push.endpoint_state import DEPLOY, UPDATE, UPLOAD, on_endpoint, shares, versions


def test_versions_of_one_model_replace_each_other(vertex, pushed) -> None:
    pushed(1)
    pushed(2)
    assert versions(vertex) == {"1": ["v1"], "2": ["default", "v2"]}
    assert shares(vertex) == {"taxi-v2": 100}
    (endpoint,) = vertex.store.all("endpoints").values()
    assert [deployed.display_name for deployed in endpoint.deployed_models] == ["taxi-v1", "taxi-v2"]
    done = pushed(3)
    assert done.removed == (1,)
    assert versions(vertex) == {"2": ["v2"], "3": ["default", "v3"]}
    assert all(sum(split.values()) == 100 for split in vertex.endpoints.splits if split)


def test_deployed_versions_run_as_an_account_of_their_own(vertex, make_target) -> None:
    steps, serving = "steps@p.iam.gserviceaccount.com", "serving@p.iam.gserviceaccount.com"
    (vertex.store.buckets / "test-bucket/models/taxi").mkdir(parents=True)
    (vertex.store.buckets / "test-bucket/models/taxi/saved_model.pb").write_bytes(b"")
    for number, account in ((1, None), (2, serving)):
        target = make_target(service_account=account).model_copy(update={"service_account": steps})
        push(connect(target), target, number, "gs://test-bucket/models/taxi")
    (endpoint,) = vertex.store.all("endpoints").values()
    assert {deployed.display_name: deployed.service_account for deployed in endpoint.deployed_models} == {
        "taxi-v1": steps, "taxi-v2": serving,
    }  # fmt: skip


def test_share_of_a_new_version(vertex, pushed) -> None:
    pushed(1, traffic=10)
    assert shares(vertex) == {"taxi-v1": 100}, "the first version gets everything"
    pushed(2, traffic=10)
    assert shares(vertex) == {"taxi-v1": 90, "taxi-v2": 10}
    assert versions(vertex)["1"] == ["default", "v1"], "the default is the version with the most traffic"
    done = pushed(3, traffic=10)
    assert shares(vertex) == {"taxi-v1": 81, "taxi-v2": 9, "taxi-v3": 10}
    assert done.removed == (), "a version that gets traffic is not removed, however old"


def test_repeated_push_changes_nothing(vertex, pushed) -> None:
    pushed(1)
    pushed(2, traffic=20)
    before = len(vertex.store.made(f"{UPLOAD}|{DEPLOY}|{UPDATE}"))
    pushed(2, traffic=20)
    pushed(1)
    assert len(vertex.store.made(f"{UPLOAD}|{DEPLOY}|{UPDATE}")) == before
    assert shares(vertex) == {"taxi-v1": 80, "taxi-v2": 20}


def test_rolled_back_version_stays_so_when_pushed_again(vertex, pushed, make_target) -> None:
    pushed(1)
    pushed(2)
    target = make_target()
    before, after = roll_back(connect(target), target)
    assert (dict(before.shares), dict(after.shares)) == ({2: 100}, {1: 100})
    assert versions(vertex)["1"] == ["default", "v1"]
    pushed(2)
    assert shares(vertex) == {"taxi-v1": 100}
    with pytest.raises(ValueError, match="no older version"):
        roll_back(connect(target), target)


def test_known_good_version_outlives_pushes_and_rollbacks(vertex, pushed, make_target) -> None:
    target = make_target()
    pushed(1)
    pushed(2)
    roll_back(connect(target), target)
    assert pushed(3).removed == (2,), "what was rolled back goes, what served stays"
    assert on_endpoint(vertex) == ["taxi-v1", "taxi-v3"]
    assert sorted(versions(vertex)) == ["1", "3"]
    roll_back(connect(target), target)
    assert shares(vertex) == {"taxi-v1": 100}
    assert pushed(4).removed == (3,)
    roll_back(connect(target), target)
    assert shares(vertex) == {"taxi-v1": 100}
    assert all(sum(split.values()) == 100 for split in vertex.endpoints.splits if split)


def test_rolled_back_version_is_not_gone_back_to(vertex, pushed, make_target) -> None:
    target = make_target()
    for number in (1, 2, 3):
        pushed(number, keep_versions=4)
    roll_back(connect(target), target)
    assert shares(vertex) == {"taxi-v2": 100}
    pushed(4, keep_versions=4)
    for expected in ("taxi-v2", "taxi-v1"):
        roll_back(connect(target), target)
        assert shares(vertex) == {expected: 100}, "v3 was rolled back"
    pushed(5, keep_versions=4)
    split_traffic(connect(target), target, {3: 100})
    assert vertex.store.made(UPDATE)[-1]["labels"]["hilir-rolled-back"] == "4_2", (
        "traffic makes v3 a good version again"
    )


def test_why_there_is_nothing_to_roll_back_to(vertex, hilir, pushed, make_target, config) -> None:
    target = make_target()
    pushed(1)
    pushed(2)
    roll_back(connect(target), target)
    pushed(3, keep_versions=3)
    endpoints.undeploy(connect(target), target, 1)
    told = hilir("vertex", "rollback", *config, code=4).err
    assert "no older version on the endpoint to roll back to but v2, which was rolled back itself; 'hilir" in told
    assert shares(vertex) == {"taxi-v3": 100}


def test_traffic_moved_by_hand_is_what_the_next_rollback_goes_to(vertex, pushed, make_target) -> None:
    target = make_target()
    pushed(1)
    pushed(2)
    split_traffic(connect(target), target, {1: 100})
    assert pushed(3).removed == (), "v1 served before, and v2 is one of the newest two"
    roll_back(connect(target), target)
    assert shares(vertex) == {"taxi-v1": 100}


@pytest.mark.parametrize("kind", ["drop after", "drop before"])
def test_rollback_over_a_bad_network_is_remembered_once(vertex, pushed, make_target, kind) -> None:
    pushed(1)
    pushed(2)
    target = make_target()
    vertex.store.faults.add(UPDATE, kind)
    roll_back(connect(target), target)
    (endpoint,) = vertex.store.all("endpoints").values()
    assert shares(vertex) == {"taxi-v1": 100}
    assert dict(endpoint.labels) == {
        "team": "taxi", "hilir-version": "2", "hilir-previous": "1", "hilir-rolled-back": "2",
    }  # fmt: skip


def test_endpoint_with_a_number_is_not_made_here(vertex, pushed, make_target) -> None:
    target = make_target().model_copy(update={"endpoint": "4711"})
    with pytest.raises(VertexError, match="there is no endpoint 4711 in europe-west4 of test-project"):
        endpoints.ensure(connect(target), target)
    assert vertex.store.all("endpoints") == {}
