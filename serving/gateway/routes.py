"""`routes.json`: Envoy's route configuration, made from the release states and the settings; pure functions.

Protocol: a file with one `DiscoveryResponse`
(https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#filesystem-subscriptions).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hilir.serving.gateway.lua_script import CLUSTER_HEADER, DIRECT_CLUSTER, SHADOW_HEADER
from hilir.serving.gateway.settings import GatewaySettings
from hilir.serving.releases.split import BUCKETS, salt_of
from hilir.serving.releases.state import State

ROUTES = "release"
"""Name of the route configuration."""
LUA_FILTER = "envoy.filters.http.lua"
RELEASE_PATH = "/hilir/releases/"
"""Below it a client reads a model's split, to choose labels for gRPC."""

_TYPE = "type.googleapis.com/envoy.config.route.v3."
_VERBS = "(predict|classify|regress)"
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
        *(_release_document(state) for state in released),
        *(_model_route(state, settings) for state in released),
        *_pass_through(settings),
        *_grpc_routes(settings),
    ]
    host = {
        "name": "models",
        "domains": ["*"],
        "routes": routes,
        "virtual_clusters": [_version_stats(state.model, number) for state in released for number in state.loaded],
        "retry_policy": _retries(_REST_RETRY, settings),
    }
    configuration = {
        "@type": f"{_TYPE}RouteConfiguration",
        "name": ROUTES,
        "virtual_hosts": [host],
        "request_headers_to_remove": [CLUSTER_HEADER],
    }
    version = ",".join(f"{state.model}:{state.revision}" for state in released) or "none"
    return {"version_info": version, "resources": [configuration]}


def release_metadata(state: State) -> dict[str, Any]:
    """Returns what the script needs to know of a model: versions by label, and how many buckets the candidate has."""
    labels = state.served_labels
    return {
        "model": state.model,
        "salt": salt_of(state.model, state.candidate),
        "buckets": round(state.percent * BUCKETS / 100),
        "shadow": round(state.shadow * 100) if state.candidate is not None else 0,
        **{label: str(number) for label, number in labels.items()},
    }


def _release_document(state: State) -> dict[str, Any]:
    document = {
        "model": state.model,
        "revision": state.revision,
        "salt": salt_of(state.model, state.candidate),
        "candidate_percent": state.percent,
        "labels": state.served_labels,
    }
    return {
        "match": {"path": f"{RELEASE_PATH}{state.model}"},
        "direct_response": {"status": 200, "body": {"inline_string": json.dumps(document)}},
        "response_headers_to_add": [
            {
                "header": {"key": "content-type", "value": "application/json"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
    }


def _model_route(state: State, settings: GatewaySettings) -> dict[str, Any]:
    route: dict[str, Any] = {
        "cluster_header": CLUSTER_HEADER,
        "timeout": f"{settings.timeout_seconds:g}s",
    }
    if state.shadow and state.candidate is not None:
        route["request_mirror_policies"] = [{"cluster_header": SHADOW_HEADER}]
    pattern = rf"/v1/models/{re.escape(state.model)}(/(versions|labels)/[^/:]+)?:{_VERBS}"
    return {
        "name": state.model,
        "match": {"safe_regex": {"regex": pattern}, "headers": [_method("POST")]},
        "metadata": {"filter_metadata": {LUA_FILTER: {"release": release_metadata(state)}}},
        "route": route,
    }


def _pass_through(settings: GatewaySettings) -> list[dict[str, Any]]:
    """What is not split: models without a release, status and metadata."""
    suffix = "(/(versions|labels)/[^/:]+)?"
    return [
        {
            "match": {"safe_regex": {"regex": rf"/v1/models/{_NAME}{suffix}{rest}"}, "headers": [_method(method)]},
            "route": {"cluster": DIRECT_CLUSTER, "timeout": f"{settings.timeout_seconds:g}s"},
        }
        for method, rest in (("POST", f":{_VERBS}"), ("GET", "(/metadata)?"))
    ]


def _grpc_routes(settings: GatewaySettings) -> list[dict[str, Any]]:
    """gRPC passes as it is: the label is inside the message, where our client puts it (`serving/client.py`)."""
    action = {
        "cluster": "models_grpc",
        "timeout": f"{settings.timeout_seconds:g}s",
        "retry_policy": _retries(_GRPC_RETRY, settings),
    }
    matches = [{"prefix": _GRPC_CALLS}, *({"path": path} for path in _GRPC_STATUS)]
    return [{"match": match | {"grpc": {}}, "route": action} for match in matches]


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


def _healthz() -> dict[str, Any]:
    """Whether the gateway itself lives: without credentials, and without counting."""
    off = {"@type": f"{_TYPE}FilterConfig", "disabled": True, "config": {}}
    names = ("api_key_auth", "jwt_authn", "local_ratelimit")
    return {
        "match": {"path": "/healthz"},
        "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}},
        "typed_per_filter_config": {f"envoy.filters.http.{name}": off for name in names},
    }


def _version_stats(model: str, version: int) -> dict[str, Any]:
    """Counters and latency per version, which TensorFlow Serving's own metrics lack."""
    prefix = f"/v1/models/{model}/versions/{version}:"
    name = re.sub(r"[^A-Za-z0-9_-]", "_", model)
    return {"name": f"{name}_{version}", "headers": [{"name": ":path", "string_match": {"prefix": prefix}}]}


def _method(name: str) -> dict[str, Any]:
    return {"name": ":method", "string_match": {"exact": name}}
