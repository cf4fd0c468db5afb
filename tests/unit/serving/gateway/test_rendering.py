import json
import re

import pytest

from hilir.serving.gateway.bootstrap import render_bootstrap
from hilir.serving.gateway.routes import LUA_FILTER, release_metadata, render_routes
from hilir.serving.gateway.settings import GatewaySettings
from hilir.serving.release import transitions as t
from hilir.serving.releases.state import State

SETTINGS = GatewaySettings()


def trial(percent: float, shadow: float = 0.0, model: str = "m") -> State:
    state = State(model=model, served_root="/models")
    for number in (1, 2):
        state = t.verify(t.add_loaded(state, number, "hash"), number)
    return t.canary(t.promote(t.stage(state, 1)), 2, percent, shadow)


def routes_of(*states: State) -> list[dict]:
    (configuration,) = render_routes({state.model: state for state in states}, SETTINGS)["resources"]
    return configuration["virtual_hosts"][0]["routes"]


@pytest.mark.parametrize(("percent", "buckets"), [(0, 0), (0.01, 1), (12.5, 1250), (33.33, 3333), (100, 10_000)])
def test_a_percent_is_a_number_of_buckets(percent, buckets):
    assert release_metadata(trial(percent)) == {
        "model": "m",
        "salt": "m-2",
        "buckets": buckets,
        "shadow": 0,
        "stable": "1",
        "candidate": "2",
    }


def test_a_shadow_ends_with_its_trial():
    assert release_metadata(trial(0, 25))["shadow"] == 2500
    assert release_metadata(t.abort(trial(0, 25)))["shadow"] == 0
    mirrored = [route for route in routes_of(trial(0, 25)) if "request_mirror_policies" in route.get("route", {})]
    assert [route["name"] for route in mirrored] == ["m"]


def test_names_with_dots_do_not_match_their_neighbours():
    (route,) = [route for route in routes_of(trial(5, model="a.b")) if route.get("name") == "a.b"]
    pattern = route["match"]["safe_regex"]["regex"]
    assert re.fullmatch(pattern, "/v1/models/a.b:predict")
    assert re.fullmatch(pattern, "/v1/models/a.b/versions/3:classify")
    assert not re.fullmatch(pattern, "/v1/models/axb:predict")
    assert not re.fullmatch(pattern, "/v1/models/a.b:delete")


def test_a_model_without_a_stable_version_is_not_split():
    staged = t.stage(t.verify(t.add_loaded(State(model="m", served_root="/models"), 1, "h"), 1), 1)
    assert not [route for route in routes_of(staged) if LUA_FILTER in str(route.get("metadata", ""))]
    assert render_routes({"m": staged}, SETTINGS)["version_info"] == "none"


def test_the_version_of_the_routes_follows_the_revision():
    state = trial(5).model_copy(update={"revision": 7})
    assert render_routes({"m": state}, SETTINGS)["version_info"] == "m:7"


def test_administration_stays_on_this_machine_unless_told_otherwise():
    bootstrap = render_bootstrap(SETTINGS, "/models/gateway")
    assert bootstrap["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
    assert "/models/gateway/routes.json" in json.dumps(bootstrap)
