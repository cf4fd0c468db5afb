"""Makes a transaction from what the command line says: the store, and the targets that there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hilir.serving.errors import ServingConfigError
from hilir.serving.gateway.gateway_files import read_gateway
from hilir.serving.release.golden_replay import replay_golden
from hilir.serving.release.selection import choose_model
from hilir.serving.release.targets.gateway import EnvoyGateway
from hilir.serving.release.targets.rest import RestCaller
from hilir.serving.release.targets.tf_serving import TfServing, UnstartedServers
from hilir.serving.release.transaction import Transaction
from hilir.serving.releases.actor import find_actor
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import State
from hilir.serving.server.security.private import check_private

DEFAULT_SERVER = "http://127.0.0.1:8501"


def open_transaction(
    store: Store,
    model: str | None,
    *,
    echo: Callable[[str], None],
    servers: Sequence[str] = (),
    gateways: Sequence[str] = (),
    served_root: str | None = None,
    token_file: str | None = None,
    offline: bool = False,
    dry_run: bool = False,
    timeout: float = 300.0,
    why: str = "",
    notify: Callable[[State], None] = lambda _state: None,
) -> Transaction:
    """Returns a transaction for a model of a serving root; a gateway takes part if its files are there.

    Raises:
        ServingConfigError: there is no such model, or the token cannot be read.
    """
    name = choose_model(store, model)
    caller = RestCaller(_read_token(token_file))
    target = TfServing(store, name, servers or (DEFAULT_SERVER,), caller)
    settings = read_gateway(store)
    return Transaction(
        store=store,
        model=name,
        servers=UnstartedServers(store) if offline else target,
        gateway=None if settings is None or offline else _gateway(store, name, gateways or (settings.status,)),
        replay_golden=lambda version: replay_golden(store, name, version, target.replicas(), caller),
        echo=echo,
        offline=offline,
        dry_run=dry_run,
        timeout=timeout,
        why=why,
        actor=find_actor(token_file),
        notify=notify,
        served_root=served_root,
    )


def _gateway(store: Store, model: str, addresses: Sequence[str]) -> EnvoyGateway:
    return EnvoyGateway(store, model, addresses, RestCaller())


def _read_token(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        check_private(path, "token file")
        return Path(path).read_text().split()[0]
    except (OSError, IndexError):
        raise ServingConfigError(f"{path}: no token can be read from it") from None
