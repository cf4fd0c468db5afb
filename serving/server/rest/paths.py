"""Paths of the REST API (http_rest_api_util.cc, ParseModelInfo)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from hilir.serving.server.status import StatusError, invalid_argument

API = re.compile(r"/v1/.*", re.IGNORECASE)
_VERSION = r"(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_INFERENCE = re.compile(rf"/v1/models/([^/:]+){_VERSION}:(classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(rf"/v1/models(?:/([^/:]+))?{_VERSION}(?:/(metadata))?", re.IGNORECASE)
_MAX_CACHED = 1024


class VersionError(StatusError):
    """A version beyond 64 bits: TensorFlow Serving answers 400 with an empty body."""


@dataclass(frozen=True)
class Target:
    """What a path asks for."""

    model: str
    version: int | None = None
    label: str | None = None
    action: str = ""


_cache: dict[tuple[str, str], Target] = {}


def parse_target(method: str, path: str) -> Target | None:
    """Parse a path together with its query string; None if it is malformed.

    The action is `predict`, `classify`, `regress`, `metadata` or `status`; case counts, although it need not
    for the path to match.

    Raises:
        VersionError: the version does not fit 64 bits.
    """
    key = (method, path)
    known = _cache.get(key)
    if known is None:
        known = _parse(method, path)
        if known is not None:
            if len(_cache) >= _MAX_CACHED:
                _cache.clear()
            _cache[key] = known
    return known


def _parse(method: str, path: str) -> Target | None:
    if method not in ("GET", "POST"):
        return None
    match = (_INFERENCE if method == "POST" else _STATUS).fullmatch(path)
    if match is None:
        return None
    model, version, label, action = match.groups()
    if version is not None and (len(version.lstrip("0")) > 19 or int(version) >= 2**63):
        error = invalid_argument(f"Failed to convert version: {version} to numeric.")
        raise VersionError(error.code, error.message)
    if method == "GET":
        action = "metadata" if action == "metadata" else "status"
    elif action not in ("predict", "classify", "regress"):
        return None
    return Target(_decode(model or ""), None if version is None else int(version), _decode_label(label), action)


def _decode_label(label: str | None) -> str | None:
    return None if label is None else _decode(label)


def _decode(text: str) -> str:
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
