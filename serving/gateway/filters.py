"""Envoy's filters that the settings turn on: credentials, limits, and the access log."""

from __future__ import annotations

from typing import Any

from hilir.serving.gateway.settings import GatewaySettings, read_api_keys

CLIENT_HEADER = "x-client"
"""Name of the API key's owner; only the gateway sets it."""

COUNTED = "hilir_version"
"""Begins the names of the counters per version."""
FIRST_EDGE, GROWTH = 0.5, 1.15
"""The latency's buckets: the first edge in milliseconds, and how much longer each next one is."""

_FILTERS = "type.googleapis.com/envoy.extensions.filters.http."
_LOGGED = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "method": "%REQ(:METHOD)%",
    "path": "%DYNAMIC_METADATA(hilir:path)%",
    "model": "%DYNAMIC_METADATA(hilir:model)%",
    "version": "%DYNAMIC_METADATA(hilir:version)%",
    "label": "%DYNAMIC_METADATA(hilir:label)%",
    "user": "%DYNAMIC_METADATA(hilir:user)%",
    "experiment": "%DYNAMIC_METADATA(hilir:experiment)%",
    "experiment_user": "%DYNAMIC_METADATA(hilir:experiment_user)%",
    "client": f"%REQ({CLIENT_HEADER})%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS%",
    "flags": "%RESPONSE_FLAGS%",
    "latency_ms": "%DURATION%",
    "upstream_ms": "%RESPONSE_DURATION%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "server": "%UPSTREAM_HOST%",
}


def access_log(settings: GatewaySettings) -> dict[str, Any]:
    """Returns the access log: a JSON line per request with version, label and latency.

    `user` is the hash that the version was chosen by, never the key itself; in an experiment, whose id is
    `experiment`, it was chosen by `experiment_user` instead. `latency_ms` counts from the first byte
    of the request to the last of the answer, `upstream_ms` to the first byte of the server's answer.
    """
    kind = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
    config = {"@type": kind, "path": settings.access_log, "log_format": {"json_format": _LOGGED}}
    return {"name": "envoy.access_loggers.file", "typed_config": config}


def version_counters() -> dict[str, Any]:
    """Returns the log that counts predictions per version and arm, with HTTP's and gRPC's status, and their latency.

    Envoy's own counters know nothing of a gRPC status per version: to HTTP a failed call has status 200. The script
    marks what counts (`counted`), so that a caller cannot make series by naming versions that do not exist.
    https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/access_loggers/stats/v3/stats.proto
    """
    names = {"model": "model", "version": "counted", "arm": "arm"}
    tags = [{"name": tag, "value_format": f"%DYNAMIC_METADATA(hilir:{key})%"} for tag, key in names.items()]
    statuses = [("status", "%RESPONSE_CODE%"), ("grpc_status", "%GRPC_STATUS_NUMBER%")]
    with_status = [*tags, *({"name": tag, "value_format": value} for tag, value in statuses)]
    config = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config",
        "stats_scope": {"prefix": COUNTED},
        "counters": [{"stat": {"name": "requests", "tags": with_status}, "value_fixed": 1}],
        "histograms": [
            {
                "stat": {"name": "latency", "tags": tags},
                "unit": "Microseconds",
                "value_format": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
            }
        ],
    }
    marked = {"filter": "hilir", "path": [{"key": "counted"}], "value": {"present_match": True}}
    return {
        "name": "envoy.access_loggers.stats",
        "filter": {"metadata_filter": {"matcher": marked, "match_if_key_not_found": False}},
        "typed_config": config,
    }


def histogram_buckets() -> list[dict[str, Any]]:
    """Returns the buckets of the latency per version, in microseconds, up to a minute."""
    edges = [FIRST_EDGE * 1000 * GROWTH**power for power in range(85)]
    return [{"match": {"prefix": f"{COUNTED}."}, "buckets": edges}]


def authentication(settings: GatewaySettings) -> list[dict[str, Any]]:
    """Returns the filter for API keys or tokens; nobody but it may say who a client is.

    Raises:
        ServingConfigError: the file of keys cannot be read.
    """
    if settings.api_keys_file:
        config = {
            "credentials": [{"key": key, "client": client} for client, key in read_api_keys(settings.api_keys_file)],
            "key_sources": [{"header": "X-API-Key"}],
            "forwarding": {"header": CLIENT_HEADER, "hide_credentials": True},
        }
        return [_filter("api_key_auth", "ApiKeyAuth", config)]
    if settings.jwt is None:
        return [_forget_client()]
    jwt = settings.jwt
    claims = [(settings.user_key_header, jwt.user_claim), (CLIENT_HEADER, jwt.user_claim)]
    provider = {
        "issuer": jwt.issuer,
        "audiences": list(jwt.audiences),
        "local_jwks": {"filename": jwt.jwks_file},
        "claim_to_headers": [{"header_name": header, "claim_name": claim} for header, claim in claims],
    }
    config = {
        "providers": {"tokens": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "tokens"}}],
    }
    key = settings.user_key_header
    return [_forget_client(key, f"{key}-bin"), _filter("jwt_authn", "JwtAuthentication", config)]


def rate_limits(settings: GatewaySettings) -> list[dict[str, Any]]:
    """Returns the filter that answers 429 where there are more requests per second than allowed.

    Clients are distinguished by their credentials, or else by their address.
    """
    limits = settings.rate_limit
    if limits.requests_per_second is None and limits.per_client is None:
        return []
    everything = {"numerator": 100, "denominator": "HUNDRED"}
    config: dict[str, Any] = {
        "stat_prefix": "rate_limit",
        # Without a limit of its own the sum is bounded by what nobody reaches.
        "token_bucket": _bucket(limits.requests_per_second or 1_000_000),
        "filter_enabled": {"default_value": everything},
        "filter_enforced": {"default_value": everything},
    }
    if limits.per_client is not None:
        known = settings.api_keys_file or settings.jwt
        by_header = {"request_headers": {"header_name": CLIENT_HEADER, "descriptor_key": "client"}}
        config["rate_limits"] = [{"actions": [by_header if known else {"remote_address": {}}]}]
        entry = {"key": "client" if known else "remote_address"}
        config["descriptors"] = [{"entries": [entry], "token_bucket": _bucket(limits.per_client)}]
    return [_filter("local_ratelimit", "LocalRateLimit", config)]


def body_limit(settings: GatewaySettings) -> dict[str, Any]:
    """Returns the filter that takes whole requests, so that they can be retried; larger ones are answered 413."""
    return _filter("buffer", "Buffer", {"max_request_bytes": settings.max_request_bytes})


def own_replies(settings: GatewaySettings) -> dict[str, Any]:
    """Returns what a client is told where Envoy answers by itself: as the servers tell it, in both protocols.

    Without it REST clients get plain text, or nothing where no route matches, and gRPC's get UNKNOWN for a 413.
    """
    too_large = _status("EQ", 413, "too_large")
    sentence = f"The request is larger than {settings.max_request_bytes} bytes (max_request_bytes of gateway.yaml)"
    exhausted = {"header": {"key": "grpc-status", "value": "8"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    nowhere = {"response_flag_filter": {"flags": ["NR"]}}
    return {
        "mappers": [
            {
                "filter": _all(too_large, _is_grpc(True)),
                "headers_to_add": [exhausted],
                "body": {"inline_string": sentence},
            },
            {"filter": too_large, **_error(sentence)},
            {"filter": _all(nowhere, _is_grpc(False)), **_error("Not found: %REQ(:METHOD)% %REQ(:PATH)%")},
            {"filter": _all(_status("GE", 400, "error"), _is_grpc(False)), **_error("%LOCAL_REPLY_BODY%")},
        ]
    }


def _status(comparison: str, status: int, name: str) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": f"hilir.{name}"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}


def _is_grpc(wanted: bool) -> dict[str, Any]:
    header = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    # A header that is missing isn't one that does not match.
    missing = {} if wanted else {"invert_match": True, "treat_missing_header_as_empty": True}
    return {"header_filter": {"header": header | missing}}


def _all(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(filters)}}


def _error(message: str) -> dict[str, Any]:
    return {"body_format_override": {"json_format": {"error": message}}}


def grpc_counters() -> dict[str, Any]:
    """Returns the filter that counts failed gRPC calls per cluster: to HTTP they all have status 200."""
    return _filter("grpc_stats", "FilterConfig", {"stats_for_all_methods": False})


def _forget_client(*headers: str) -> dict[str, Any]:
    mutations = [{"remove": header} for header in (CLIENT_HEADER, *headers)]
    return _filter("header_mutation", "HeaderMutation", {"mutations": {"request_mutations": mutations}})


def _bucket(per_second: int) -> dict[str, Any]:
    return {"max_tokens": per_second, "tokens_per_fill": per_second, "fill_interval": "1s"}


def _filter(name: str, message: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": f"{_FILTERS}{name}.v3.{message}"} | config,
    }
