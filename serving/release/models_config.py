"""`models.config`: the model configuration that TensorFlow Serving and our server poll, made from the states."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from hilir.serving.disk import SHARED, write_atomically
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import State

CONFIG_FILE = "models.config"
"""In the serving root."""

_HEADER = "# Written by 'hilir release' from the release.json files; changes made here are lost.\n"
_PLATFORM = "tensorflow"


def render_model_config(states: Mapping[str, State], unreleased: Mapping[str, str], root: str) -> str:
    """Returns a ModelServerConfig text proto: released models by version and label, others at their latest.

    Args:
        states: by model.
        unreleased: base path by model of what nobody has released yet, and continues to be served.
        root: absolute path of the serving root, for states that name no other.
    """
    paths = dict(unreleased)
    released = {name: state for name, state in states.items() if state.loaded}
    paths |= {name: f"{state.served_root or root}/{name}" for name, state in released.items()}
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.SetInParent()
    for name, path in sorted(paths.items()):
        entry = config.model_config_list.config.add(name=name, base_path=path, model_platform=_PLATFORM)
        if name in released:
            entry.model_version_policy.specific.versions.extend(released[name].loaded)
            entry.version_labels.update(released[name].served_labels)
    return _HEADER + text_format.MessageToString(config, as_utf8=True)


def write_model_config(store: Store, changed: State | None = None) -> None:
    """Writes the configuration of all models of a root, if it differs from what is there.

    Args:
        store: where the states are.
        changed: the state that must be in it: a stored one, or else nothing is written.
    """
    with store.locked():
        states = store.read_all()
        if changed is not None and states.get(changed.model, changed).revision != changed.revision:
            return
        prefix = next((state.served_root for state in states.values()), "") or str(store.root)
        unreleased = {
            name: f"{prefix}/{name}" for name in store.models() if name not in states or not states[name].loaded
        }
        text = render_model_config(states, unreleased, str(store.root))
        path = store.root / CONFIG_FILE
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text, SHARED)
