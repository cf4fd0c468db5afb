"""Bad networks, quotas, slow operations: a push makes nothing twice and leaves what serves."""

from __future__ import annotations

import threading

import pytest

from hilir.components.vertex.errors import QuotaRefused, Unreachable, VertexError
from hilir.components.vertex_pusher import endpoint as endpoints
from hilir.components.vertex_pusher.push import connect, push, split_traffic
from tests.contract.vertex.push.endpoint_state import DEPLOY, UPDATE, UPLOAD, shares, versions


@pytest.mark.parametrize("kind", ["drop after", "drop before"])
@pytest.mark.parametrize("request_", [UPLOAD, "POST .*/endpoints$", DEPLOY, UPDATE, "mergeVersionAliases"])
def test_bad_network_makes_nothing_twice(vertex, pushed, request_, kind) -> None:
    pushed(1) if "merge" in request_ else None
    vertex.store.faults.add(request_, kind)
    pushed(2)
    assert shares(vertex) == {"taxi-v2": 100}
    assert len(vertex.store.all("endpoints")) == 1
    assert [aliases for aliases in versions(vertex).values() if "v2" in aliases] == [["default", "v2"]]


@pytest.mark.parametrize("request_", [UPLOAD, "POST .*/endpoints$", DEPLOY])
def test_operation_whose_start_was_not_answered_is_waited_for(vertex, pushed, request_) -> None:
    pushed(1) if "endpoints$" not in request_ else None
    vertex.store.faults.add(request_, "drop after", polls=3)
    pushed(2)
    assert shares(vertex) == {"taxi-v2": 100}
    assert len([aliases for aliases in versions(vertex).values() if "v1" not in aliases]) == 1
    paths = [path for method, path, _ in vertex.store.requests if path.endswith((":upload", ":deployModel"))]
    assert len(paths) == (2 if "endpoints$" in request_ else 4), "nothing was sent a second time"


@pytest.mark.parametrize("request_", [UPLOAD, DEPLOY, UPDATE, "mergeVersionAliases"])
def test_push_goes_on_where_it_stopped(vertex, pushed, request_) -> None:
    pushed(1)
    pushed(2)
    vertex.store.faults.refuse(request_, 403, "PERMISSION_DENIED", "Denied.")
    with pytest.raises(VertexError, match=r"Denied; the account needs roles/aiplatform\.user"):
        pushed(3)
    assert sum(shares(vertex).values()) == 100
    pushed(3)
    assert shares(vertex) == {"taxi-v3": 100}
    assert sorted(versions(vertex)) == ["2", "3"]
    assert len(vertex.store.made(UPLOAD)) == 3


@pytest.mark.parametrize("request_", ["undeployModel", "deleteVersion", "GET .*:listVersions"])
def test_push_that_cannot_clean_up_has_succeeded(vertex, pushed, caplog, request_) -> None:
    pushed(1)
    pushed(2)
    vertex.store.faults.refuse(request_, 403, "PERMISSION_DENIED", "Denied.")
    assert pushed(3).removed == ()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("v3 serves, but" if "list" in request_ else "v1 is too old, but stays: could not ")
    assert "Denied; the account needs roles/aiplatform.user" in warning
    assert shares(vertex) == {"taxi-v3": 100}
    assert pushed(3).removed == (1,), "the next push tries it again"
    assert sorted(versions(vertex)) == ["2", "3"]
    assert len(vertex.store.made(UPLOAD)) == 3


def test_version_that_another_endpoint_serves_stays(vertex, pushed, make_target, caplog) -> None:
    pushed(1)
    elsewhere = make_target().model_copy(update={"endpoint": "abroad"})
    push(connect(elsewhere), elsewhere, 1, "gs://test-bucket/models/taxi/1")
    pushed(2)
    done = pushed(3)
    assert (done.shares, done.removed) == ({3: 100}, ())
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("v1 is too old, but stays: could not remove v1 of the model taxi")
    assert "deployed on projects/123456789012/locations/europe-west4/endpoints/abroad" in warning
    assert versions(vertex)["1"] == ["v1"]


def test_slow_operations_are_waited_for(vertex, pushed) -> None:
    for request in (UPLOAD, DEPLOY):
        vertex.store.faults.add(request, "slow operation", polls=4)
    vertex.store.faults.refuse("GET .*/operations/", 503, "UNAVAILABLE", "Try again.")
    pushed(1)
    assert shares(vertex) == {"taxi-v1": 100}


def test_quota_of_the_endpoint_leaves_the_old_version_serving(vertex, pushed) -> None:
    from tests.contract.vertex.faults import ApiError

    pushed(1)
    quota = ApiError(429, "RESOURCE_EXHAUSTED", "The following quotas are exceeded: CustomModelServingCPUsPerProject")
    vertex.store.faults.add(DEPLOY, "failed operation", error=quota)
    with pytest.raises(QuotaRefused, match=r"could not deploy v2 of taxi on the endpoint taxi: .*exceeded: .*fewer or"):
        pushed(2)
    assert shares(vertex) == {"taxi-v1": 100}


def test_operation_without_end_is_left_to_go_on(vertex, pushed, make_target) -> None:
    from hilir.components.vertex import retry as call

    target = make_target()
    connection = connect(target)
    vertex.store.faults.add("POST .*/endpoints$", "slow operation", polls=1000)
    started = connection.client("endpoints").create_endpoint(parent=connection.parent, endpoint={"display_name": "x"})
    with pytest.raises(Unreachable, match=r"is still running after 1 s .*repeat the command later"):
        call.wait_for(connection, "endpoints", "make the endpoint x", started, seconds=1)


def test_two_changes_at_a_time_both_take_place(vertex, pushed, make_target) -> None:
    pushed(1)
    target = make_target()
    connection = connect(target)
    once = threading.Event()

    def change(now):
        if not once.is_set():
            once.set()
            # Someone else changes the endpoint between our reading and writing.
            endpoints.set_traffic(connect(target), target, lambda other: dict(other.split), lambda _: {"team": "other"})
        return dict(now.split)

    after = endpoints.set_traffic(connection, target, change, lambda _: {"mine": "yes"})
    assert dict(after.labels) | {"team": "other", "mine": "yes"} == dict(after.labels)


def test_split_that_is_no_split_is_never_sent(vertex, pushed, make_target) -> None:
    pushed(1)
    pushed(2)
    target, sent = make_target(), len(vertex.store.made(UPDATE))
    with pytest.raises(ValueError, match="sum to 100"):
        split_traffic(connect(target), target, {1: 50, 2: 49})
    with pytest.raises(ValueError, match="v7 is not deployed; there is v2, v1"):
        split_traffic(connect(target), target, {7: 100})
    assert len(vertex.store.made(UPDATE)) == sent
