"""`routes.json`: Envoy's route configuration, made from the release states and the settings; pure functions.

Protocol: a file with one `DiscoveryResponse`
(https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#filesystem-subscriptions).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hilir.serving.gateway.lua_script import (
    CLUSTER_HEADER,
    GRPC_CLUSTERS,
    MODEL_HEADER,
    REST_CLUSTERS,
    SHADOW_HEADER,
)
from hilir.serving.gateway.settings import GatewaySettings
from hilir.serving.releases.split import BUCKETS, salt_of
from hilir.serving.releases.state import State

ROUTES = "release"
"""Name of the route configuration."""
OUTCOMES_CLUSTER = "outcomes"
LUA_FILTER = "envoy.filters.http.lua"

_TYPE = "type.googleapis.com/envoy.config.route.v3."
_VERBS = ":(predict|classify|regress)"
_SELECTOR = "(/(versions|labels)/[^/:]+)?"
_NAME = "[A-Za-z0-9_.%-]+"
_REST_RETRY = "connect-failure,refused-stream,reset-before-request,retriable-status-codes"
_GRPC_RETRY = "connect-failure,refused-stream,reset-before-request,unavailable"
_GRPC_CALLS = "/tensorflow.serving.PredictionService/"
# Not HandleReloadConfigRequest: configuration does not come from clients.
_GRPC_STATUS = ("/tensorflow.serving.ModelService/GetModelStatus", "/grpc.health.v1.Health/Check")


def render_routes(states: Mapping[str, State], settings: GatewaySettings) -> dict[str, Any]:
    """Returns the route configuration of all models.

    Args:
        states: by model; models without a stable version, or without a state, pass through as they are asked for.
        settings: timeouts and retries.
    """
    released = [state for _, state in sorted(states.items()) if state.stable is not None]
    routes = [
        _healthz(),
        *([_outcomes(settings)] if settings.outcomes else []),
        *(route for state in released for route in _model_routes(state, settings)),
        *_pass_through(settings),
    ]
    host = {
        "name": "models",
        "domains": ["*"],
        "routes": routes,
        "retry_policy": _retries(_REST_RETRY, settings),
    }
    configuration = {
        "@type": f"{_TYPE}RouteConfiguration",
        "name": ROUTES,
        "virtual_hosts": [host],
        "request_headers_to_remove": [CLUSTER_HEADER, MODEL_HEADER],
    }
    version = ",".join(f"{state.model}:{state.revision}" for state in released) or "none"
    return {"version_info": version, "resources": [configuration]}


def release_metadata(state: State) -> dict[str, Any]:
    """Returns what the script needs to know of a model: versions by label, and how many buckets the candidate has.

    `versions` are those that are loaded, whose requests are counted, each between commas.
    """
    labels = state.served_labels
    experiment = state.experiment
    return {
        "model": state.model,
        "salt": salt_of(state.model, state.candidate),
        **({"experiment": experiment.id} if experiment is not None else {}),
        "buckets": round(state.percent * BUCKETS / 100),
        "shadow": round(state.shadow * 100) if state.candidate is not None else 0,
        "versions": "".join(f",{number}" for number in state.loaded) + ",",
        **{label: str(number) for label, number in labels.items()},
    }


def _model_routes(state: State, settings: GatewaySettings) -> list[dict[str, Any]]:
    """The requests that are split; the gateway knows the model of a gRPC message once the script has read it."""
    path = rf"/v1/models/{re.escape(state.model)}{_SELECTOR}"
    matches = [
        _rest_match("POST", path + _VERBS),
        _rest_match("GET", f"{path}/metadata"),
        {"prefix": _GRPC_CALLS, "grpc": {}, "headers": [_header(MODEL_HEADER, state.model)]},
    ]
    return [
        {
            "name": state.model,
            "match": match,
            "metadata": {"filter_metadata": {LUA_FILTER: {"release": release_metadata(state)}}},
            "route": _action(match, settings) | _mirror(state),
        }
        for match in matches
    ]


def _mirror(state: State) -> dict[str, Any]:
    if not state.shadow or state.candidate is None:
        return {}
    return {"request_mirror_policies": [{"cluster_header": SHADOW_HEADER}]}


def _pass_through(settings: GatewaySettings) -> list[dict[str, Any]]:
    """What is not split: models without a release, status and health."""
    path = f"/v1/models/{_NAME}{_SELECTOR}"
    matches = [
        _rest_match("POST", path + _VERBS),
        _rest_match("GET", f"{path}(/metadata)?"),
        *({"path": call, "grpc": {}} for call in _GRPC_STATUS),
        {"prefix": _GRPC_CALLS, "grpc": {}},
    ]
    clusters = [REST_CLUSTERS if "grpc" not in match else GRPC_CLUSTERS for match in matches]
    return [
        {"match": match, "route": _action(match, settings, f"{names}direct")}
        for match, names in zip(matches, clusters, strict=True)
    ]


def _action(match: Mapping[str, Any], settings: GatewaySettings, cluster: str | None = None) -> dict[str, Any]:
    """Where to, how long and how often; without a cluster the script names it."""
    action: dict[str, Any] = {"cluster": cluster} if cluster else {"cluster_header": CLUSTER_HEADER}
    action["timeout"] = f"{settings.timeout_seconds:g}s"
    if "grpc" in match:
        action["retry_policy"] = _retries(_GRPC_RETRY, settings)
    return action


def _retries(on: str, settings: GatewaySettings) -> dict[str, Any]:
    """A request that no server has begun to answer may go to another one; predictions change nothing."""
    return {
        "retry_on": on,
        "num_retries": settings.retries,
        "retriable_status_codes": [503],
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": 10,
    }


def _outcomes(settings: GatewaySettings) -> dict[str, Any]:
    """What became of predictions; a batch may be sent twice, so it may be retried."""
    action = {"cluster": OUTCOMES_CLUSTER, "timeout": f"{settings.timeout_seconds:g}s"}
    return {"match": {"path": "/v1/outcomes", "headers": [_header(":method", "POST")]}, "route": action}


def _healthz() -> dict[str, Any]:
    """Whether the gateway itself lives: without credentials, and without counting."""
    off = {"@type": f"{_TYPE}FilterConfig", "disabled": True, "config": {}}
    names = ("api_key_auth", "jwt_authn", "local_ratelimit")
    return {
        "match": {"path": "/healthz"},
        "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}},
        "typed_per_filter_config": {f"envoy.filters.http.{name}": off for name in names},
    }


def _rest_match(method: str, pattern: str) -> dict[str, Any]:
    return {"safe_regex": {"regex": pattern}, "headers": [_header(":method", method)]}


def _header(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "string_match": {"exact": value}}
