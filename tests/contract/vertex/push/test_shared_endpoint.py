"""An endpoint that serves another model too."""

from __future__ import annotations

import pytest

from hilir.components.vertex.errors import VertexError
from hilir.components.vertex_pusher import push as push_steps
from hilir.components.vertex_pusher.push import connect, push, roll_back, split_traffic
from tests.contract.vertex.push.endpoint_state import shares


@pytest.fixture
def guest(vertex):
    """Returns a function that puts another model on the endpoint."""

    def deploy(share: int) -> None:
        (endpoint,) = vertex.store.all("endpoints").values()
        name = "projects/1/locations/europe-west4/models/guest"
        endpoint.deployed_models.add(id="77", display_name="guest-v1", model=name)
        if share:
            endpoint.traffic_split.update({next(iter(endpoint.traffic_split)): 100 - share, "77": share})

    return deploy


@pytest.mark.parametrize("share", [0, 40])
def test_endpoint_that_serves_another_model_is_refused(vertex, pushed, make_target, guest, share) -> None:
    pushed(1)
    guest(share)
    before, sent = shares(vertex), len(vertex.store.made("^(POST|PATCH|DELETE)"))
    told = (
        "the endpoint taxi serves another model already (guest), and the requests would be divided between it and "
        "taxi; no traffic was moved; give taxi an endpoint of its own as vertex.push.endpoint, or take the other model "
        "off this one with 'gcloud ai endpoints undeploy-model'"
    )
    target = make_target()
    for change in (lambda: pushed(2, traffic=50), lambda: split_traffic(connect(target), target, {1: 100})):
        with pytest.raises(VertexError) as caught:
            change()
        assert str(caught.value) == told
    assert shares(vertex) == before
    assert len(vertex.store.made("^(POST|PATCH|DELETE)")) == sent, "nothing was changed, in the registry neither"


def test_another_model_that_comes_during_a_push_is_noticed(vertex, pushed, guest, monkeypatch) -> None:
    pushed(1)
    ensure = push_steps.registry.ensure_version
    monkeypatch.setattr(push_steps.registry, "ensure_version", lambda *arguments: (guest(40), ensure(*arguments))[1])
    with pytest.raises(VertexError, match="serves another model already"):
        pushed(2)
    assert shares(vertex) == {"taxi-v1": 60, "guest-v1": 40}


def test_rollback_leaves_the_share_of_another_model(vertex, pushed, make_target, guest) -> None:
    pushed(1)
    pushed(2)
    guest(40)
    target = make_target()
    roll_back(connect(target), target)
    assert shares(vertex) == {"taxi-v1": 60, "guest-v1": 40}


def test_endpoint_of_a_model_that_is_gone_can_be_used_again(vertex, pushed, make_target) -> None:
    pushed(1)
    pushed(2)
    target = make_target()
    roll_back(connect(target), target)
    (endpoint,) = vertex.store.all("endpoints").values()
    endpoint.ClearField("deployed_models")
    endpoint.ClearField("traffic_split")
    other = make_target().model_copy(update={"model": "digits"})
    done = push(connect(other), other, 1, "gs://test-bucket/models/taxi/1")
    assert done.shares == {1: 100}, "what the labels tell is not of this model"
    assert dict(endpoint.labels) == {"team": "taxi", "hilir-version": "1"}
