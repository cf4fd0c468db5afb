"""What a version on disk must be before anything loads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hilir.serving.disk import hash_file
from hilir.serving.errors import ReleaseRefused
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import State

MANIFEST = "manifest.json"
SCHEMA = 1


def check_version(store: Store, model: str, version: int) -> dict[str, Any]:
    """Verifies that a version is complete, what its manifest says, and blessed; returns the manifest.

    Raises:
        ReleaseRefused: it is not.
    """
    folder = store.root / model / str(version)
    if not folder.is_dir():
        there = ", ".join(map(str, store.versions(model))) or "none"
        raise ReleaseRefused(f"{folder}: there is no such version; there are: {there}")
    manifest = read_manifest(store, model, version)
    if not (folder / "saved_model.pb").is_file():
        raise ReleaseRefused(f"{folder}: saved_model.pb is missing, the version is incomplete; push it again")
    _check_files(folder, manifest["files"])
    if manifest.get("blessed") is not True:
        raise ReleaseRefused(
            f"{folder}: the version is not blessed, evaluation has refused it or has not run; "
            "push one that passes its thresholds with 'hilir run'"
        )
    return manifest


def read_manifest(store: Store, model: str, version: int) -> dict[str, Any]:
    """Returns the manifest of a version.

    Raises:
        ReleaseRefused: there is none that can be read.
    """
    path = store.root / model / str(version) / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        usable = manifest["schema"] == SCHEMA and manifest["version"] == version and manifest["model"] == model
        if usable and _are_files(manifest["files"]) and _are_signatures(manifest["signatures"]):
            return manifest
        fault = f"it is not schema {SCHEMA} of version {version} of {model}"
    except FileNotFoundError:
        raise ReleaseRefused(
            f"{path}: it is missing; push the version again, or, if hilir did not make it, "
            f"type 'hilir release adopt {path.parent}'"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        fault = f"it cannot be read ({type(error).__name__}: {error})"
    raise ReleaseRefused(f"{path}: {fault}; push the version again")


def is_adopted(manifest: dict[str, Any]) -> bool:
    """Tells whether hilir did not make the version, but adopted it as it is."""
    return "adopted" in manifest


def manifest_hash(store: Store, model: str, version: int) -> str:
    """Returns the SHA-256 of a version's manifest, which stands for all of its files."""
    return hash_file(store.root / model / str(version) / MANIFEST)


def check_inputs(store: Store, state: State, version: int, accept: bool) -> bool:
    """Compares a version's inputs, outputs and classes with those of stable; returns whether they differ.

    New inputs differ; new outputs, and new classes after the known ones, do not.

    Raises:
        ReleaseRefused: they differ, and that was not accepted.
    """
    if state.stable is None or state.stable == version:
        return False
    old, new = (read_manifest(store, state.model, number) for number in (state.stable, version))
    inputs = _input_differences(old["signatures"], new["signatures"])
    answers = [*_output_differences(old["signatures"], new["signatures"]), *_class_differences(old, new)]
    if inputs and not accept:
        raise ReleaseRefused(
            f"{state.model}: version {version} takes other inputs than stable version {state.stable}: "
            f"{'; '.join(inputs)}; clients must send both, then say --accept-schema-change"
        )
    if answers and not accept:
        raise ReleaseRefused(
            f"{state.model}: version {version} answers in other terms than stable version {state.stable}: "
            f"{'; '.join(answers)}; clients must understand both, then say --accept-schema-change"
        )
    return bool(inputs or answers)


def _are_files(content: Any) -> bool:
    return isinstance(content, dict) and all(
        isinstance(entry, dict) and isinstance(entry.get("bytes"), int) and isinstance(entry.get("sha256"), str)
        for entry in content.values()
    )


def _are_signatures(content: Any) -> bool:
    return isinstance(content, dict) and all(
        isinstance(entry, dict) and isinstance(entry.get("inputs"), dict) for entry in content.values()
    )


def _check_files(folder: Path, files: dict[str, dict[str, Any]]) -> None:
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    for name in sorted(files.keys() - present):
        raise ReleaseRefused(f"{folder / name}: the manifest names it, and it is missing; push the version again")
    for name in sorted(present - files.keys()):
        raise ReleaseRefused(f"{folder / name}: the manifest does not name it; remove it or push the version again")
    for name, entry in sorted(files.items()):
        path = folder / name
        if path.stat().st_size != entry["bytes"] or hash_file(path) != entry["sha256"]:
            raise ReleaseRefused(
                f"{path}: differs from the manifest, it was changed or damaged since it was pushed; "
                "push the version again"
            )


def _input_differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    differences = [f"signature {name} is gone" for name in sorted(old.keys() - new.keys())]
    for name in sorted(old.keys() & new.keys()):
        before, after = old[name]["inputs"], new[name]["inputs"]
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                was, now = (_describe(side.get(key)) for side in (before, after))
                differences.append(f"{name}.{key} was {was} and is {now}")
    return differences


def _output_differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Returns the outputs that are gone, or have another type or rank."""
    differences = []
    for name in sorted(old.keys() & new.keys()):
        before, after = (side[name].get("outputs") or {} for side in (old, new))
        for key, was in sorted(before.items()):
            now = after.get(key)
            if now is None or (was["dtype"], len(was["shape"])) != (now["dtype"], len(now["shape"])):
                differences.append(f"{name}.{key} was {_describe(was)} and is {_describe(now)}")
    return differences


def _class_differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Returns the classes whose number means something else; a side without names is not compared."""
    before, after = (manifest.get("classes") or {} for manifest in (old, new))
    differences = []
    for label in sorted(before.keys() & after.keys()):
        names = [*after[label], *["absent"] * (len(before[label]) - len(after[label]))]
        changed = [(i, a, b) for i, (a, b) in enumerate(zip(before[label], names, strict=False)) if a != b]
        differences += [f"class {number} of {label} was {a!r} and is {b!r}" for number, a, b in changed[:3]]
    return differences


def _describe(tensor: dict[str, Any] | None) -> str:
    return f"{tensor['dtype']}{tensor['shape']}" if tensor else "absent"
