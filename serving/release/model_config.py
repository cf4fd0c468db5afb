"""`models.config`: the model configuration that TensorFlow Serving and our server poll, made from the states."""

from __future__ import annotations

from collections.abc import Mapping

from hilir.serving.releases.state import State
from hilir.serving.releases.store import Store, write_atomically

CONFIG_FILE = "models.config"
"""In the serving root."""

_HEADER = "# Written by 'hilir release' from the release.json files; changes made here are lost.\n"


def render_model_config(states: Mapping[str, State], unreleased: Mapping[str, str]) -> str:
    """Returns a ModelServerConfig text proto: released models by version and label, others at their latest.

    Args:
        states: by model.
        unreleased: base path by model of what nobody has released yet, and goes on being served.
    """
    entries = {name: _entry(name, path) for name, path in unreleased.items()}
    for name, state in states.items():
        if state.loaded:
            entries[name] = _entry(name, f"{state.served_root}/{name}", state)
    body = "".join(entries[name] for name in sorted(entries))
    return f"{_HEADER}model_config_list {{\n{body}}}\n"


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
        prefix = next((state.served_root for state in states.values()), str(store.root))
        unreleased = {
            name: f"{prefix}/{name}" for name in store.models() if name not in states or not states[name].loaded
        }
        text = render_model_config(states, unreleased)
        path = store.root / CONFIG_FILE
        if not path.exists() or path.read_text() != text:
            write_atomically(path, text)


def _entry(name: str, base_path: str, state: State | None = None) -> str:
    lines = [f'    name: "{name}"', f'    base_path: "{base_path}"', '    model_platform: "tensorflow"']
    if state is not None:
        versions = " ".join(f"versions: {number}" for number in state.loaded)
        lines.append(f"    model_version_policy {{ specific {{ {versions} }} }}")
        lines += [
            f'    version_labels {{ key: "{label}" value: {number} }}'
            for label, number in sorted(state.served_labels.items())
        ]
    return "  config {\n" + "\n".join(lines) + "\n  }\n"
