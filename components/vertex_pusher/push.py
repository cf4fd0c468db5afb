"""A push to Vertex AI, step by step; each step may be repeated, and none sends traffic nowhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.errors import VertexError
from hilir.components.vertex_pusher import endpoint as endpoints
from hilir.components.vertex_pusher import endpoint_labels as labels
from hilir.components.vertex_pusher import registry, traffic
from hilir.components.vertex_pusher.endpoint import Endpoint
from hilir.components.vertex_pusher.settings import Target

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
    return Connection(target.project, target.region, target.address)


def push(connection: Connection, target: Target, number: int, uri: str, description: str = "") -> Pushed:
    """Makes a version one of the registry, deploys it, gives it its share, and removes what is too old.

    The versions that served before stay deployed for a rollback. A push that is repeated continues where it stopped: a
    version is uploaded and deployed once, and gets its share once, also if a rollback has taken it away since.

    Args:
        connection: where to.
        target: what to make there.
        number: the version, as in the serving root.
        uri: its folder on a bucket.
        description: a line about it, for the registry.

    Raises:
        VertexError: the endpoint serves another model, or something was refused; what was done before stays and does
            no harm.
    """
    present = endpoints.read(connection, target)
    if present is not None:
        endpoints.check_alone(present, target)
    version = registry.ensure_version(connection, target, number, uri, description)
    endpoints.deploy(connection, target, version)
    endpoint = endpoints.set_traffic(
        connection,
        target,
        lambda now: _share(now, target, number),
        lambda now: labels.after_push({} if _is_unused(now, number) else now.labels, number, now.shares),
    )
    _follow(connection, target, endpoint)
    try:
        removed = remove_expired(connection, target)
    except VertexError as error:
        # The lists of what is there could not be read.
        _LOG.warning("v%d serves, but what is older could not be removed: %s", number, error)
        removed = ()
    name = f"{connection.name('models', target.model)}@{version.id}"
    _LOG.info("pushed %s to %s; traffic in percent: %s; removed: %s", name, endpoint.name, endpoint.shares, removed)
    return Pushed(name, endpoint.name, endpoint.shares, removed)


def split_traffic(connection: Connection, target: Target, shares: Mapping[int, int]) -> Endpoint:
    """Gives deployed versions these shares in percent; what is not named gets nothing.

    Raises:
        ValueError: they do not sum to 100, or one names a version that is not deployed.
        VertexError: the endpoint serves another model, which would get nothing too.
    """

    def change(now: Endpoint) -> Mapping[str, int]:
        endpoints.check_alone(now, target)
        absent = sorted(set(shares) - set(now.deployed))
        if absent:
            present = ", ".join(f"v{number}" for number in now.newest_first) or "none"
            raise ValueError(f"v{absent[0]} is not deployed; there is {present}")
        return traffic.check({now.deployed[number]: share for number, share in shares.items()})

    given = [number for number, share in shares.items() if share]
    endpoint = endpoints.set_traffic(connection, target, change, lambda now: labels.after_split(now.labels, given))
    _follow(connection, target, endpoint)
    return endpoint


def roll_back(connection: Connection, target: Target) -> tuple[Endpoint, Endpoint]:
    """Takes the traffic of the newest version that has some; returns the endpoint before and after.

    It goes to the others that have some; if there are none, to the version that served before the last push. A version
    that was rolled back is never gone back to.

    Raises:
        ValueError: no such version is deployed.
    """
    before = endpoints.require(connection, target)
    split = _take_back(before)
    bad = max(before.shares)

    def change(now: Endpoint) -> Mapping[str, int]:
        # A repetition after a lost answer must not roll back twice.
        if dict(now.split) not in (dict(before.split), split):
            raise ValueError(f"the traffic has been changed meanwhile to {now.shares}; look at it and repeat")
        return split

    after = endpoints.set_traffic(connection, target, change, lambda now: labels.after_rollback(now.labels, bad))
    _follow(connection, target, after)
    return before, after


def remove_expired(connection: Connection, target: Target) -> tuple[int, ...]:
    """Removes our versions beyond `keep_versions`; returns their numbers.

    What was rolled back goes first, then the oldest; what gets traffic, or got it before the last push, stays. The new
    version serves by now, so what cannot be removed is a warning; the next push tries it again.
    """
    endpoint = endpoints.require(connection, target)
    keep = target.push.keep_versions
    deployed = labels.order_for_keeping(endpoint.deployed, endpoint.labels)
    previous = set(labels.read_previous(endpoint.labels)) - labels.read_rolled_back(endpoint.labels)
    needed = {*endpoint.shares, *previous}
    for number in traffic.find_expired(deployed, needed, keep):
        _attempt(number, partial(endpoints.undeploy, connection, target, number))
    left = endpoints.require(connection, target)
    versions = {version.number: version for version in registry.list_versions(connection, target)}
    expired = traffic.find_expired(labels.order_for_keeping(versions, left.labels), left.deployed, keep)
    return tuple(
        number
        for number in expired
        if not versions[number].default
        and _attempt(number, partial(registry.delete_version, connection, target, versions[number]))
    )


def _attempt(number: int, remove: Callable[[], None]) -> bool:
    """Returns whether a version could be removed, from where it is deployed or from the registry."""
    try:
        remove()
    except VertexError as error:
        _LOG.warning("v%d is too old, but stays: %s", number, error)
        return False
    return True


def _share(now: Endpoint, target: Target, number: int) -> dict[str, int] | None:
    """Returns the split with the new version's share, or None if it, or a newer one, has had it."""
    endpoints.check_alone(now, target)
    if not _is_unused(now, number) and labels.read_last(now.labels) >= number:
        return None
    return traffic.give(now.split, now.deployed[number], target.push.traffic)


def _is_unused(endpoint: Endpoint, number: int) -> bool:
    """Returns whether no other version is there, so that the labels tell of versions, or of a model, that are gone."""
    return not endpoint.split and set(endpoint.deployed) <= {number}


def _take_back(endpoint: Endpoint) -> dict[str, int]:
    """Returns the split of a rollback; other models on the endpoint keep their shares."""
    ours = {key: share for key, share in endpoint.split.items() if key in endpoint.deployed.values()}
    bad = labels.read_rolled_back(endpoint.labels)
    split = traffic.take_back(
        ours,
        [endpoint.deployed[number] for number in endpoint.newest_first],
        [endpoint.deployed[number] for number in labels.read_previous(endpoint.labels) if number in endpoint.deployed],
        {endpoint.deployed[number] for number in bad if number in endpoint.deployed},
    )
    if split is None:
        passed = [f"v{number}" for number in endpoint.newest_first if number in bad and number < max(endpoint.shares)]
        besides = f" but {', '.join(passed)}, which was rolled back itself" if passed else ""
        raise ValueError(f"there is no older version on the endpoint to roll back to{besides}")
    return traffic.check({**endpoint.split, **dict.fromkeys(ours, 0), **traffic.scale(split, sum(ours.values()))})


def _follow(connection: Connection, target: Target, endpoint: Endpoint) -> None:
    """Makes the version with the most traffic the registry's default."""
    if endpoint.shares:
        most = max(endpoint.shares, key=lambda number: (endpoint.shares[number], number))
        registry.make_default(connection, target, most)
