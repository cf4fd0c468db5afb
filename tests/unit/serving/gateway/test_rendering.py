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
        "versions": ",1,2,",
    }


def test_a_shadow_ends_with_its_trial():
    assert release_metadata(trial(0, 25))["shadow"] == 2500
    assert release_metadata(t.abort(trial(0, 25)))["shadow"] == 0
    for state, mirrored in ((trial(0, 25), True), (trial(0), False), (t.abort(trial(0, 25)), False)):
        routes = [route for route in routes_of(state) if route.get("name") == "m"]
        assert {"request_mirror_policies" in route["route"] for route in routes} == {mirrored}


def test_grpc_goes_by_the_model_that_the_script_found():
    def matching(model: str | None, path: str = "/tensorflow.serving.PredictionService/Predict") -> str | None:
        """Name of the first route that takes a gRPC call, as Envoy would find it."""
        for route in routes_of(trial(5, model="a.b"), trial(5)):
            match = route["match"]
            headers = {header["name"]: header["string_match"]["exact"] for header in match.get("headers", [])}
            if "grpc" not in match or not (path == match.get("path") or path.startswith(match.get("prefix", "none"))):
                continue
            if headers in ({}, {"x-hilir-model": model}):
                return route.get("name", route["route"].get("cluster"))
        return None

    assert [matching(model) for model in ("m", "a.b", "axb", None)] == ["m", "a.b", *["models_grpc_direct"] * 2]
    assert matching(None, "/grpc.health.v1.Health/Check") == "models_grpc_direct"
    assert matching(None, "/tensorflow.serving.ModelService/HandleReloadConfigRequest") is None


def test_the_versions_that_are_counted_are_those_that_are_loaded():
    assert release_metadata(trial(5))["versions"] == ",1,2,"
    assert release_metadata(t.retire(t.abort(trial(5))))["versions"] == ",1,"


def test_names_with_dots_do_not_match_their_neighbours():
    routes = [route["match"] for route in routes_of(trial(5, model="a.b")) if route.get("name") == "a.b"]
    pattern, metadata = (match["safe_regex"]["regex"] for match in routes if "safe_regex" in match)
    assert re.fullmatch(metadata, "/v1/models/a.b/labels/stable/metadata")
    assert not re.fullmatch(metadata, "/v1/models/axb/metadata")
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
