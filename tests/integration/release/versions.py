"""Whole versions for tests of releases: a tiny model, its manifest and its golden requests."""

import hashlib
import json
from pathlib import Path

MODEL = "half"
_SIGNATURES = {
    "serving_default": {
        "inputs": {"x": {"dtype": "float32", "shape": [-1, 1]}},
        "outputs": {"y": {"dtype": "float32", "shape": [-1, 1]}},
    }
}


def make_version(
    root: Path,
    number: int,
    *,
    model: str = MODEL,
    golden_offset: float | None = None,
    fails_at: float | None = None,
    adds: float | None = None,
    **manifest,
) -> Path:
    """Writes version `number` of a model that answers 0.5 x + number.

    `golden_offset` is what its golden requests say it adds; `fails_at` is an x to which it answers with an error, and
    `adds` what it adds if not its number; `manifest` replaces entries of the manifest.
    """
    from tests.integration.serving import saved_models

    folder = root / model / str(number)
    beside = root / model / f".making-{number}"
    added = float(number) if adds is None else adds
    saved_models.half_plus(beside, added, fails_at)
    offset = added if golden_offset is None else golden_offset
    write_golden(beside, [(x, 0.5 * x + offset) for x in (0.0, 1.0, 10.0)])
    write_manifest(beside, model, number, **manifest)
    beside.rename(folder)
    return folder


def write_golden(folder: Path, pairs: list[tuple[float, float]]) -> None:
    lines = [
        json.dumps({"signature": "serving_default", "inputs": {"x": [[x]]}, "outputs": {"y": [[y]]}}) for x, y in pairs
    ]
    extra = folder / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / "golden.jsonl").write_text("\n".join(lines) + "\n")


def write_manifest(folder: Path, model: str, number: int, **more) -> None:
    files = {
        str(path.relative_to(folder)): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
    content = {
        "schema": 1,
        "model": model,
        "version": number,
        "created": "2026-01-01T00:00:00+00:00",
        "blessed": True,
        "files": files,
        "signatures": _SIGNATURES,
    }
    (folder / "manifest.json").write_text(json.dumps(content | more))
