"""The requests of a push, and what the server has after them."""

from __future__ import annotations

UPLOAD, DEPLOY, UPDATE = "POST .*/models:upload", "POST .*:deployModel", "PATCH .*/endpoints/"


def shares(vertex) -> dict[str, int]:
    (endpoint,) = vertex.store.all("endpoints").values()
    names = {deployed.id: deployed.display_name for deployed in endpoint.deployed_models}
    return {names[key]: share for key, share in endpoint.traffic_split.items()}


def versions(vertex) -> dict[str, list[str]]:
    (model,) = vertex.store.all("models").values()
    return {version.version_id: list(version.version_aliases) for version in model}


def on_endpoint(vertex) -> list[str]:
    (endpoint,) = vertex.store.all("endpoints").values()
    return sorted(deployed.display_name for deployed in endpoint.deployed_models)
