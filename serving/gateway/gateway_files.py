"""The gateway's folder: `<serving root>/gateway/` with its settings, `envoy.json` and `routes.json`."""

from __future__ import annotations

import json
from pathlib import Path

from hilir.serving.disk import SHARED, write_atomically
from hilir.serving.errors import ServingConfigError
from hilir.serving.gateway.bootstrap import BOOTSTRAP_FILE, ROUTES_FILE, render_bootstrap
from hilir.serving.gateway.routes import render_routes
from hilir.serving.gateway.settings import GatewaySettings
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import State

SETTINGS_FILE = "settings.json"
# A bootstrap with API keys is for its owner alone.
_SECRET = 0o600


def gateway_folder(store: Store) -> Path:
    """Returns the gateway's folder of a serving root."""
    return store.root / "gateway"


def write_gateway(store: Store, settings: GatewaySettings, served_root: str | None = None) -> Path:
    """Writes everything that Envoy reads; returns the folder.

    Args:
        store: the states.
        settings: the gateway's.
        served_root: the serving root as Envoy sees it; None where that is the same.

    Raises:
        ServingConfigError: the folder cannot be written to, or a file of the settings cannot be read.
    """
    folder = gateway_folder(store)
    mode = _SECRET if settings.api_keys_file else SHARED
    bootstrap = render_bootstrap(settings, f"{served_root}/{folder.name}" if served_root else str(folder))
    try:
        folder.mkdir(exist_ok=True)
        write_atomically(folder / SETTINGS_FILE, json.dumps(settings.model_dump(mode="json"), indent=2) + "\n", SHARED)
        write_routes(store)
        write_atomically(folder / BOOTSTRAP_FILE, json.dumps(bootstrap, indent=2) + "\n", mode)
    except PermissionError as error:
        raise ServingConfigError(
            f"{error.filename or folder}: cannot be written to ({error.strerror}); make it writable"
        ) from None
    return folder


def read_gateway(store: Store) -> GatewaySettings | None:
    """Returns the settings that the gateway's files were written with, or None where there is no gateway.

    Raises:
        ServingConfigError: the file is damaged.
    """
    path = gateway_folder(store) / SETTINGS_FILE
    try:
        return GatewaySettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ServingConfigError(f"{path}: {error}; write it again with 'hilir gateway write'") from None


def write_routes(store: Store, changed: State | None = None) -> None:
    """Writes the routes of all models, if they differ from what is there.

    Args:
        store: the states.
        changed: the state that must be in them: a stored one, or else nothing is written.
    """
    settings = read_gateway(store)
    if settings is None:
        return
    with store.locked():
        states = store.read_all()
        if changed is not None and states.get(changed.model, changed).revision != changed.revision:
            return
        path = gateway_folder(store) / ROUTES_FILE
        text = json.dumps(render_routes(states, settings), indent=2) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text, SHARED)
