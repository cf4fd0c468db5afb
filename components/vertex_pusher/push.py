"""A push to Vertex AI, step by step; each step may be repeated, and none lets traffic go nowhere."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from components.vertex_pusher import endpoint as endpoints
from components.vertex_pusher import registry, traffic
from components.vertex_pusher.connection import Connection
from components.vertex_pusher.endpoint import LAST, Endpoint
from components.vertex_pusher.settings import Target

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pushed:
    """What a push came to: full names, percent of the requests by version, and what was removed."""

    model: str
    endpoint: str
    shares: Mapping[int, int]
    removed: tuple[int, ...]


def connect(target: Target) -> Connection:
    """Returns the connection to the target's project and region."""
    return Connection(target.project, target.region, target.address, target.patience)


def push(connection: Connection, target: Target, number: int, uri: str, description: str = "") -> Pushed:
    """Makes a version one of the registry, deploys it, gives it its share, and removes what is too old.

    The version that served before stays deployed for a rollback. A push that is repeated goes on where it stopped: a
    version is uploaded and deployed once, and gets its share once, also if a rollback has taken it away since.

    Args:
        connection: where to.
        target: what to make there.
        number: the version, as in the serving root.
        uri: its folder on a bucket.
        description: a line about it, for the registry.

    Raises:
        VertexError: something was refused; what was done before stays and does no harm.
    """
    version = registry.ensure_version(connection, target, number, uri, description)
    endpoints.deploy(connection, target, version)
    endpoint = endpoints.set_traffic(connection, target, lambda now: _share(now, target, number), {LAST: str(number)})
    _follow(connection, target, endpoint)
    removed = remove_expired(connection, target)
    name = f"{connection.name('models', target.model)}@{version.id}"
    _LOG.info("pushed %s to %s; traffic in percent: %s; removed: %s", name, endpoint.name, endpoint.shares, removed)
    return Pushed(name, endpoint.name, endpoint.shares, removed)


def split_traffic(connection: Connection, target: Target, shares: Mapping[int, int]) -> Endpoint:
    """Gives deployed versions these shares in percent; what is not named gets nothing.

    Raises:
        ValueError: they do not sum to 100, or one names a version that is not deployed.
    """

    def change(now: Endpoint) -> Mapping[str, int]:
        absent = sorted(set(shares) - set(now.deployed))
        if absent:
            present = ", ".join(f"v{number}" for number in now.newest_first) or "none"
            raise ValueError(f"v{absent[0]} is not deployed; there is {present}")
        return traffic.check({now.deployed[number]: share for number, share in shares.items()})

    endpoint = endpoints.set_traffic(connection, target, change)
    _follow(connection, target, endpoint)
    return endpoint


def roll_back(connection: Connection, target: Target) -> tuple[Endpoint, Endpoint]:
    """Takes the traffic of the newest version that has some; returns the endpoint before and after.

    Raises:
        ValueError: no older version is deployed.
    """
    before = endpoints.require(connection, target)

    def change(now: Endpoint) -> Mapping[str, int]:
        # A repetition after a lost answer must not roll back twice.
        split = traffic.take_back(before.split, [before.deployed[number] for number in before.newest_first])
        if split is None:
            raise ValueError("there is no older version on the endpoint to roll back to")
        if dict(now.split) not in (dict(before.split), split):
            raise ValueError(f"the traffic has been changed meanwhile to {now.shares}; look at it and repeat")
        return split

    after = endpoints.set_traffic(connection, target, change)
    _follow(connection, target, after)
    return before, after


def remove_expired(connection: Connection, target: Target) -> tuple[int, ...]:
    """Removes our versions beyond the newest `keep_versions` that get no traffic; returns their numbers."""
    endpoint = endpoints.require(connection, target)
    keep = target.push.keep_versions
    for number in traffic.find_expired(endpoint.newest_first, endpoint.shares, keep):
        endpoints.undeploy(connection, target, number)
    left = set(endpoints.require(connection, target).deployed)
    versions = {version.number: version for version in registry.list_versions(connection, target)}
    expired = traffic.find_expired(list(versions), left, keep)
    removed = [number for number in expired if not versions[number].default]
    for number in removed:
        registry.delete_version(connection, target, versions[number])
    return tuple(removed)


def _share(now: Endpoint, target: Target, number: int) -> dict[str, int] | None:
    """Returns the split with the new version's share, or None if it, or a newer one, has had it."""
    last = now.labels.get(LAST, "")
    if last.isdigit() and int(last) >= number:
        return None
    # Shares of versions that are no longer deployed cannot be; those of other models on the endpoint stay.
    return traffic.give(now.split, now.deployed[number], target.push.traffic)


def _follow(connection: Connection, target: Target, endpoint: Endpoint) -> None:
    """Lets the registry's default be the version that gets the most traffic."""
    if endpoint.shares:
        most = max(endpoint.shares, key=lambda number: (endpoint.shares[number], number))
        registry.make_default(connection, target, most)
