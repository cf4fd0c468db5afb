"""Gateways that follow `routes.json`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hilir.serving.errors import TargetError
from hilir.serving.gateway.counters import COUNTERS_PATH, Counted, parse_counters
from hilir.serving.gateway.gateway_files import gateway_folder, write_routes
from hilir.serving.gateway.recent import Window, read_window
from hilir.serving.gateway.routes import LUA_FILTER
from hilir.serving.release.targets import Observation
from hilir.serving.release.targets.rest import RestCaller, find_replicas
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.split import BUCKETS, CANDIDATE, STABLE
from hilir.serving.releases.state import State


class EnvoyGateway:
    """All replicas of the gateway.

    Args:
        store: where the states are, and the gateway's folder.
        model: the model that is observed.
        addresses: where the gateways tell their status; each name may stand for several replicas.
        caller: makes the calls.
    """

    name = "gateway"

    def __init__(self, store: Store, model: str, addresses: Sequence[str], caller: RestCaller) -> None:
        self._store = store
        self._model = model
        self._addresses = tuple(addresses)
        self._caller = caller

    def observe(self) -> Observation:
        """Asks every replica for the routes that are in force; a split counts if all have it."""
        splits: list[dict[int, float]] = []
        silent: list[str] = []
        replicas = [replica for address in self._addresses for replica in find_replicas(address)]
        for replica in replicas:
            try:
                splits.append(self._split(replica))
            except TargetError as error:
                silent.append(str(error))
        agreed = splits[0] if splits and all(split == splits[0] for split in splits) else {}
        return Observation(split=agreed if splits else None, replicas=len(replicas), silent=tuple(silent))

    def apply(self, state: State) -> None:
        """Writes the routes, which Envoy watches."""
        write_routes(self._store, state)

    def count(self) -> dict[str, Counted]:
        """Returns what each replica that answers has counted of the model since it was started."""
        found: dict[str, Counted] = {}
        for replica in (replica for address in self._addresses for replica in find_replicas(address)):
            with suppress(TargetError):
                found[replica] = parse_counters(self._caller.read_page(replica + COUNTERS_PATH), self._model)
        return found

    def count_recent(self) -> Window | None:
        """Returns what was counted in the last minutes, if one gateway runs here and keeps it; None otherwise."""
        replicas = [replica for address in self._addresses for replica in find_replicas(address)]
        if len(replicas) != 1:
            return None
        try:
            page = self._caller.read_page(replicas[0] + COUNTERS_PATH)
        except TargetError:
            return None
        return read_window(gateway_folder(self._store), self._model, page)

    def _split(self, replica: str) -> dict[int, float]:
        status, body = self._caller.call("GET", f"{replica}/config_dump?resource=dynamic_route_configs")
        if status != 200 or not isinstance(body, dict):
            raise TargetError(f"{replica}: answered {status} when asked for its routes")
        for entry in body.get("configs", []):
            for host in entry.get("route_config", {}).get("virtual_hosts", []):
                for route in host.get("routes", []):
                    release = _release_of(route)
                    if release.get("model") == self._model:
                        return _split_of(release)
        return {}


def _release_of(route: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = route.get("metadata", {}).get("filter_metadata", {}).get(LUA_FILTER, {})
    release: dict[str, Any] = metadata.get("release", {})
    return release


def _split_of(release: dict[str, Any]) -> dict[int, float]:
    candidate = round(release["buckets"] * 100 / BUCKETS, 2)
    shares = {STABLE: 100 - candidate, CANDIDATE: candidate}
    return {int(release[label]): share for label, share in shares.items() if share > 0}
