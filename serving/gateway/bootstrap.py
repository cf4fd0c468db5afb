"""`envoy.json`: listeners, filters and clusters; pure functions of the settings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hilir.serving.gateway import filters
from hilir.serving.gateway.lua_script import GRPC_CLUSTERS, REST_CLUSTERS, request_script, shadow_script
from hilir.serving.gateway.routes import LUA_FILTER, OUTCOMES_CLUSTER, ROUTES
from hilir.serving.gateway.settings import GatewaySettings, Tls
from hilir.serving.server.security.private import check_private

ROUTES_FILE = "routes.json"
BOOTSTRAP_FILE = "envoy.json"

_MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_DESTINATIONS = ("stable", "candidate", "direct")
# ab and old proxies speak HTTP/1.0, where Host is optional. An offer to change the protocol (h2c, TLS) may be ignored
# (RFC 9110, section 7.8); Envoy would refuse the request instead.
_HTTP_1 = {
    "accept_http_10": True,
    "default_host_for_http_10": "models",
    "ignore_http_11_upgrade": [{"safe_regex": {"regex": ".*"}}],
}
# A request id that a caller brings is kept as it is: by default Envoy writes into those that are UUIDs.
_REQUEST_ID = {
    "preserve_external_request_id": True,
    "request_id_extension": {
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
            "pack_trace_reason": False,
        }
    },
}
_OTLP_CLUSTER = "otlp"
# What may be read through the status listener; everything else of the administration stays on this machine.
_STATUS_PATHS = ("/stats/prometheus", "/ready")


def render_bootstrap(settings: GatewaySettings, folder: str) -> dict[str, Any]:
    """Returns Envoy's bootstrap.

    Args:
        settings: the gateway's.
        folder: where Envoy sees its files.

    Raises:
        ServingConfigError: a file that the settings name cannot be read.
    """
    shadow = f"@hilir-shadow-{hashlib.sha256(folder.encode()).hexdigest()[:12]}"
    return {
        "node": {"id": "hilir-gateway", "cluster": "hilir-gateway"},
        "admin": {"address": _socket(settings.admin)},
        "overload_manager": {"resource_monitors": [_connection_limit(settings.max_connections)]},
        "stats_config": {"histogram_bucket_settings": filters.histogram_buckets()},
        "static_resources": {
            "listeners": [_ingress(settings, folder), _shadow(settings, shadow), _status(settings)],
            "clusters": [
                *(_cluster(REST_CLUSTERS + name, settings.rest, settings) for name in _DESTINATIONS),
                *(_cluster(GRPC_CLUSTERS + name, settings.grpc, settings, http2=True) for name in _DESTINATIONS),
                *([_cluster(OUTCOMES_CLUSTER, settings.outcomes, settings)] if settings.outcomes else []),
                _pipe_cluster(f"{REST_CLUSTERS}shadow", shadow),
                _pipe_cluster(f"{GRPC_CLUSTERS}shadow", shadow, http2=True),
                _plain_cluster("admin", settings.admin),
                *([_plain_cluster(_OTLP_CLUSTER, settings.otlp)] if settings.otlp else []),
            ],
        },
    }


def _ingress(settings: GatewaySettings, folder: str) -> dict[str, Any]:
    source = {"path": f"{folder}/{ROUTES_FILE}", "watched_directory": {"path": folder}}
    listener = _listener(
        "models",
        _socket(settings.listen),
        stat_prefix="models",
        rds={
            "route_config_name": ROUTES,
            "config_source": {"path_config_source": source, "resource_api_version": "V3"},
        },
        **({"tracing": _tracing(settings)} if settings.otlp else {}),
        access_log=[filters.access_log(settings), filters.version_counters()],
        always_set_request_id_in_response=True,
        normalize_path=True,
        request_headers_timeout="20s",
        stream_idle_timeout="300s",
        use_remote_address=True,
        local_reply_config=filters.own_replies(settings),
        http_filters=[
            *filters.authentication(settings),
            *filters.rate_limits(settings),
            filters.body_limit(settings),
            _lua(request_script(settings)),
            filters.grpc_counters(),
            _router(),
        ],
    )
    if settings.tls is not None:
        listener["filter_chains"][0]["transport_socket"] = _encryption(settings.tls)
    return listener


def _encryption(tls: Tls) -> dict[str, Any]:
    """TLS 1.2 or later; a key that everybody can read is refused, where Envoy sees the files that are seen here.

    Raises:
        ServingConfigError: everybody can read the key.
    """
    if Path(tls.key).is_file():
        check_private(tls.key, "private key")
    files = {"certificate_chain": {"filename": tls.certificate}, "private_key": {"filename": tls.key}}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "tls_certificates": [files],
                "alpn_protocols": ["h2", "http/1.1"],
            },
        },
    }


def _shadow(settings: GatewaySettings, pipe: str) -> dict[str, Any]:
    """Copies of requests come through here, so that they can name another version."""
    timeout = f"{settings.timeout_seconds:g}s"
    routes = [
        {"match": match, "route": {"cluster": f"{names}candidate", "timeout": timeout}}
        for match, names in (({"prefix": "/", "grpc": {}}, GRPC_CLUSTERS), ({"prefix": "/"}, REST_CLUSTERS))
    ]
    return _listener(
        "shadow",
        {"pipe": {"path": pipe}},
        stat_prefix="shadow",
        route_config={"name": "shadow", "virtual_hosts": [{"name": "shadow", "domains": ["*"], "routes": routes}]},
        access_log=[filters.access_log(settings), filters.version_counters()],
        http_filters=[filters.body_limit(settings), _lua(shadow_script()), _router()],
    )


def _status(settings: GatewaySettings) -> dict[str, Any]:
    matches: list[dict[str, Any]] = [{"path": path} for path in _STATUS_PATHS]
    only_routes = {"name": "resource", "string_match": {"exact": "dynamic_route_configs"}}
    matches.append({"path": "/config_dump", "query_parameters": [only_routes]})
    get = {"name": ":method", "string_match": {"exact": "GET"}}
    routes = [{"match": match | {"headers": [get]}, "route": {"cluster": "admin"}} for match in matches]
    return _listener(
        "status",
        _socket(settings.status),
        stat_prefix="status",
        route_config={"name": "status", "virtual_hosts": [{"name": "status", "domains": ["*"], "routes": routes}]},
        http_filters=[_router()],
    )


def _listener(name: str, address: dict[str, Any], **manager: Any) -> dict[str, Any]:
    manager_filter = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {"@type": _MANAGER, "http_protocol_options": _HTTP_1} | _REQUEST_ID | manager,
    }
    return {"name": name, "address": address, "filter_chains": [{"filters": [manager_filter]}]}


def _tracing(settings: GatewaySettings) -> dict[str, Any]:
    """A span per request; a trace that the caller began is continued, and the server continues Envoy's."""
    kind = "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"
    uri = {"uri": f"http://{settings.otlp}/v1/traces", "cluster": _OTLP_CLUSTER, "timeout": "5s"}
    provider = {"@type": kind, "http_service": {"http_uri": uri}, "service_name": "hilir-gateway"}
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider},
        "random_sampling": {"value": settings.trace_percent},
        "spawn_upstream_span": True,
    }


def _connection_limit(number: int) -> dict[str, Any]:
    name = "envoy.resource_monitors.global_downstream_max_connections"
    kind = (
        "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    )
    return {"name": name, "typed_config": {"@type": kind, "max_active_downstream_connections": number}}


def _lua(script: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
    return {"name": LUA_FILTER, "typed_config": {"@type": kind, "default_source_code": {"inline_string": script}}}


def _router() -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    return {"name": "envoy.filters.http.router", "typed_config": {"@type": kind}}


def _socket(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def _endpoints(name: str, addresses: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}} for address in addresses]}],
    }


def _cluster(name: str, addresses: Sequence[str], settings: GatewaySettings, http2: bool = False) -> dict[str, Any]:
    """One cluster per label, all with the same servers: each has its own counters and ejects for itself."""
    outliers = settings.outliers
    return {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "2s",
        "lb_policy": "LEAST_REQUEST",
        # An ejection counts at once, not after the second for which Envoy would gather more of them.
        "common_lb_config": {"update_merge_window": "0s"},
        "load_assignment": _endpoints(name, [_socket(address) for address in addresses]),
        "typed_extension_protocol_options": _protocol(http2),
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_requests": 4096,
                    "max_connections": 4096,
                    "max_pending_requests": 4096,
                    "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 10},
                }
            ]
        },
        "outlier_detection": {
            "consecutive_5xx": outliers.consecutive_5xx,
            "base_ejection_time": f"{outliers.ejection_seconds}s",
            "max_ejection_percent": outliers.max_ejection_percent,
            "interval": "5s",
        },
    }


def _protocol(http2: bool) -> dict[str, Any]:
    keepalive = {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {
        "@type": f"type.googleapis.com/{kind}",
        "explicit_http_config": {"http2_protocol_options": keepalive} if http2 else {"http_protocol_options": {}},
        # A server may close an idle connection at any time: let go of it first.
        "common_http_protocol_options": {"idle_timeout": "60s"},
    }
    return {kind: options}


def _plain_cluster(name: str, address: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": _endpoints(name, [_socket(address)]),
    }


def _pipe_cluster(name: str, pipe: str, http2: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _endpoints(name, [{"pipe": {"path": pipe}}]),
        "typed_extension_protocol_options": _protocol(http2),
        "circuit_breakers": {"thresholds": [{"max_requests": 256, "max_pending_requests": 256}]},
    }
