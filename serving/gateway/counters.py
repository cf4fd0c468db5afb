"""What Envoy has counted per version: read from its page for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hilir.serving.gateway.filters import COUNTED, FIRST_EDGE, GROWTH
from hilir.serving.releases.rollout_plan import Counts

COUNTERS_PATH = f"/stats/prometheus?filter=^{COUNTED}"
"""Path and query of the page at a gateway's status address."""

Counted = dict[tuple[int, str], Counts]
"""By version and arm: `stable` and `candidate` were drawn, `named` was asked for, `shadow` is a copy."""

_LINE = re.compile(rf"envoy_{COUNTED}_(requests|latency_bucket)\{{(.*)\}} (\d+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# A caller that did not wait is nobody's error: no answer, HTTP's 499, gRPC's CANCELLED.
_GONE, _CANCELLED = (0, 499), "1"


def parse_counters(page: str, model: str) -> Counted:
    """Returns what a gateway has counted of a model since it was started."""
    return parse_all(page).get(model, {})


def parse_all(page: str) -> dict[str, Counted]:
    """Returns what a gateway has counted since it was started, by model."""
    requests: dict[tuple[str, int, str], list[int]] = {}
    cumulative: dict[tuple[str, int, str], list[tuple[float, int]]] = {}
    for kind, inner, number in _LINE.findall(page):
        labels = dict(_LABEL.findall(inner))
        if not labels.get("model") or not labels.get("version", "").isdigit():
            continue
        key = (labels["model"], int(labels["version"]), labels.get("arm", ""))
        if kind == "latency_bucket":
            if labels["le"] != "+Inf":
                cumulative.setdefault(key, []).append((float(labels["le"]) / 1000, int(number)))
            continue
        status = int(labels["status"]) if labels["status"].isdigit() else 0
        if status in _GONE or labels.get("grpc_status") == _CANCELLED:
            continue
        found = requests.setdefault(key, [0, 0])
        found[0] += int(number)
        found[1] += int(number) * is_error(status, labels.get("grpc_status", ""))
    models: dict[str, Counted] = {}
    for (model, version, arm), (answered, errors) in requests.items():
        latency = _split_buckets(cumulative.get((model, version, arm), []))
        models.setdefault(model, {})[version, arm] = Counts(requests=answered, errors=errors, latency=latency)
    return models


def is_error(status: int, grpc_status: str) -> bool:
    """Whether an answer is an error: HTTP's 4xx and 5xx, and every status of gRPC but OK, which HTTP calls 200."""
    return status >= 400 or grpc_status not in ("", "-", "0")


def subtract(now: Counts, before: Counts) -> Counts:
    """Returns what was counted in between; a gateway that was started anew in between begins at nothing."""
    if now.requests < before.requests or now.errors < before.errors:
        return now
    latency = {edge: count - before.latency.get(edge, 0) for edge, count in now.latency.items()}
    return Counts(
        requests=now.requests - before.requests,
        errors=now.errors - before.errors,
        latency={edge: count for edge, count in latency.items() if count > 0},
    )


def add(one: Counts, other: Counts) -> Counts:
    """Returns both together."""
    edges = sorted({*one.latency, *other.latency})
    return Counts(
        requests=one.requests + other.requests,
        errors=one.errors + other.errors,
        latency={edge: one.latency.get(edge, 0) + other.latency.get(edge, 0) for edge in edges},
    )


def find_quantile(counts: Counts, level: float) -> tuple[float, float] | None:
    """Returns the edges in milliseconds between which a quantile of the latency is; None without answers."""
    rest = level * sum(counts.latency.values())
    for edge in sorted(counts.latency):
        rest -= counts.latency[edge]
        if rest <= 0:
            return (0.0 if edge <= FIRST_EDGE else edge / GROWTH), edge
    return None


def total(counted: Mapping[tuple[int, str], Counts], version: int) -> Counts:
    """Returns what callers got from a version, copies aside."""
    found = Counts()
    for (number, arm), counts in counted.items():
        if number == version and arm != "shadow":
            found = add(found, counts)
    return found


def _split_buckets(cumulative: list[tuple[float, int]]) -> dict[float, int]:
    found, before = {}, 0
    for edge, count in sorted(cumulative):
        if count > before:
            found[edge] = count - before
        before = count
    return found
