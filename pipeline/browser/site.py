"""The browser page with the newest exports: all its files, to be served or written to a folder."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hilir.analysis.errors import ReferenceDamaged
from hilir.analysis.reference import FeatureReference, NumberReference, Reference, from_json
from hilir.components.missing import is_missing
from hilir.pipeline.browser.served_models import can_be_served, describe_served
from hilir.pipeline.versions.catalogue import Version, list_models, list_versions
from hilir.setup.tools import make_browser

PAGE = Path(__file__).resolve().parent / "page"

Site = dict[str, Path | bytes]
"""Content by path below the page's address; `index.html` is the page."""

_VENDORED = {
    "tf-core.min.js": "tfjs-core",
    "tf-converter.min.js": "tfjs-converter",
    "tf-backend-cpu.min.js": "tfjs-backend-cpu",
    "tf-backend-webgl.min.js": "tfjs-backend-webgl",
    "tf-backend-webgpu.min.js": "tfjs-backend-webgpu",
    "tf-backend-wasm.min.js": "tfjs-backend-wasm",
    "tfjs-backend-wasm.wasm": "tfjs-backend-wasm",
    "tfjs-backend-wasm-simd.wasm": "tfjs-backend-wasm",
}
"""File -> npm package below @tensorflow; without the threaded build, whose headers many hosts do not send."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
"""What a browser's field for dates has and gives (https://html.spec.whatwg.org/#dates)."""

_EXAMPLES = 8
_RUNTIME = "tfjs"


def collect_site(root: Path, *, served: bool = False) -> Site:
    """Returns the page, TensorFlow.js, and the newest export of each model below the serving root.

    `served`: whether what serves the page computes models that have no export.

    Raises:
        SetupError: the npm packages are missing and cannot be installed.
    """
    page = PAGE.resolve()
    site: Site = {path.name: path for path in sorted(page.iterdir()) if path.suffix in (".html", ".css", ".js", ".svg")}
    packages = make_browser() / "node_modules" / "@tensorflow"
    site |= {f"vendor/{name}": (packages / package / "dist" / name).resolve() for name, package in _VENDORED.items()}
    listed = []
    for version in find_newest(root):
        base, folder = f"models/{version.model.name}/{version.number}/", version.export_folder(_RUNTIME)
        site |= {f"{base}{path.relative_to(folder)}": path for path in folder.rglob("*") if is_plain_file(path)}
        listed.append(_describe(version, base, version.exports[_RUNTIME]))
    if served:
        shown = {found["model"] for found in listed}
        listed += [
            _describe(version, "", describe_served(version)) | {"served": True}
            for version in find_others(root)
            if version.model.name not in shown
        ]
    site["models/index.json"] = json.dumps(listed, ensure_ascii=False).encode()
    site["site.json"] = json.dumps(["./", *sorted(site)]).encode()
    return site


def find_newest(root: Path) -> Iterator[Version]:
    """Yields the newest version of each model that has an export for TensorFlow.js.

    An export counts only if its version is there, and has a variant that kept its bounds. The folder is without links,
    so that a link in a path below it can be seen.
    """
    for model in list_models(root):
        for version in list_versions(model.resolve()):
            if not is_plain_file(version.export_folder(_RUNTIME) / "export.json"):
                continue
            if any(variant["kept"] for variant in version.exports[_RUNTIME]["variants"].values()):
                yield version
                break


def find_others(root: Path) -> Iterator[Version]:
    """Yields the newest version that hilir pushed of each model."""
    for model in list_models(root):
        for version in list_versions(model.resolve()):
            if can_be_served(version):
                yield version
                break


def write_site(site: Site, folder: Path) -> None:
    """Writes the files of the site below the folder, for any web server."""
    for name, content in site.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(read_content(content))


def is_plain_file(path: Path) -> bool:
    """Whether an absolute path without `..` is a file and no part of it is a link, which could lead anywhere."""
    return path.is_file() and path.resolve() == path


def read_content(content: Path | bytes) -> bytes:
    """Returns the bytes of a file of the site."""
    return content if isinstance(content, bytes) else content.read_bytes()


def _describe(version: Version, base: str, report: dict[str, Any]) -> dict[str, Any]:
    assets = version.folder / "assets.extra"
    vocabularies = _read_vocabularies(version, report)
    reference = _read_reference(assets / "reference.json")
    for name, feature in report["inputs"].items():
        feature |= _describe_values(reference.features.get(name), vocabularies.get(name, []))
    examples = list(_read_examples(assets / "golden.jsonl", report["inputs"]))
    model, number = version.model.name, version.number
    return {"model": model, "version": number, "folder": base, "report": report, "examples": examples}


def _read_vocabularies(version: Version, report: dict[str, Any]) -> dict[str, list[Any]]:
    if not report["preprocessing"]:
        return {}
    path = version.export_folder(_RUNTIME) / report["preprocessing"]
    found: dict[str, list[Any]] = json.loads(path.read_bytes())["vocabularies"] if is_plain_file(path) else {}
    return found


def _read_reference(path: Path) -> Reference:
    """Returns what the training data looked like; nothing for a version without it, which other programs may write."""
    try:
        return from_json(path.read_bytes()) if is_plain_file(path) else Reference()
    except ReferenceDamaged:
        return Reference()


def _describe_values(known: FeatureReference | None, vocabulary: list[Any]) -> dict[str, Any]:
    """Returns what a form offers for a feature: its range, or its words and whether all of them are dates."""
    if isinstance(known, NumberReference):
        return {} if known.low is None else {"low": known.low, "high": known.high}
    counted = list(known.counts) if known else []
    words = sorted({*(word for word in vocabulary if isinstance(word, str)), *counted} - {""})
    if not words:
        return {}
    return {"words": words, "dates": all(_DATE.fullmatch(word) for word in words)}


def _read_examples(path: Path, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the golden requests of a version as examples; a missing value is null.

    Those with infinities or bytes that are not text are left out: a browser's JSON and a form have neither.
    """
    lines = path.read_text(encoding="utf-8").splitlines()[:_EXAMPLES] if is_plain_file(path) else []
    for line in lines:
        row = json.loads(line)["inputs"]
        if all(_fits_a_form(row[name]) for name in inputs):
            yield {name: _present(row[name][0]) for name in inputs}


def _fits_a_form(value: Any) -> bool:
    if isinstance(value, list):
        return all(_fits_a_form(item) for item in value)
    return not isinstance(value, dict) and not (isinstance(value, float) and math.isinf(value))


def _present(value: Any) -> Any:
    if isinstance(value, list):
        return [_present(item) for item in value]
    return None if is_missing(value) else value
