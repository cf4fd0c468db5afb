"""The reference of a version: what its training data and its predictions looked like, small enough to travel with it.

A number is kept as counts between its deciles, a category as counts of its most frequent values. Windows of traffic are
counted in the same bins (`drift`), so that outliers and monotone transformations of a feature change nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hilir.analysis.errors import ReferenceDamaged
from hilir.analysis.quality import QualityReference, decode_quality, encode_quality
from hilir.analysis.tfdv import make_histogram

FORMAT = 1
# Values of a category that are counted by name; all others share one bin.
TOP_VALUES = 99
_LONGEST_NAME = 64
_DECILES = np.arange(1, 10) / 10


@dataclass(frozen=True)
class NumberReference:
    """A numeric feature.

    Attributes:
        edges: inner edges of the bins, ascending; bin i holds edges[i - 1] <= x < edges[i].
        counts: values in each bin, one more than there are edges.
        low: the smallest finite value; None if there is none.
        high: the largest finite value; None if there is none.
        rows: rows that were looked at.
        missing: rows without a value.
        histogram: finite values in ten buckets of equal width between low and high, as TFDV counts them; empty in
            references of old versions, and in windows.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    low: float | None
    high: float | None
    rows: int
    missing: int
    histogram: tuple[int, ...] = ()


@dataclass(frozen=True)
class CategoryReference:
    """A categorical feature.

    Attributes:
        counts: how often each of the most frequent values occurs, the most frequent first.
        other: how often all other values occur together.
        rows: rows that were looked at.
        missing: rows without a value.
    """

    counts: Mapping[str, int]
    other: int
    rows: int
    missing: int


FeatureReference = NumberReference | CategoryReference


@dataclass(frozen=True)
class Reference:
    """What a version's data looked like.

    Attributes:
        features: raw features of the training split.
        predictions: outputs of the model on the evaluation split.
        quality: of a classifier, its scores against the labels of the evaluation split.
    """

    features: Mapping[str, FeatureReference] = field(default_factory=dict)
    predictions: Mapping[str, FeatureReference] = field(default_factory=dict)
    quality: QualityReference | None = None


def summarize_numbers(values: npt.ArrayLike, rows: int | None = None, missing: int | None = None) -> NumberReference:
    """Returns the reference of a numeric feature.

    Args:
        values: its values, any shape; NaN is missing.
        rows: rows that the values come from, where a row may have several or none; the number of values if not given.
        missing: rows without a value; the number of NaN if not given.
    """
    flat = np.asarray(values, np.float64).ravel()
    present = flat[~np.isnan(flat)]
    edges = find_edges(present)
    low, high = find_range(present)
    return NumberReference(
        edges=tuple(edges.tolist()),
        counts=tuple(count_numbers(present, edges).tolist()),
        low=low,
        high=high,
        rows=flat.size if rows is None else rows,
        missing=flat.size - present.size if missing is None else missing,
        histogram=tuple(int(count) for _, _, count in make_histogram(present).buckets),
    )


def find_edges(values: np.ndarray) -> np.ndarray:
    """Returns the inner deciles of the finite values, equal ones merged; none for fewer than two different values."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.empty(0)
    deciles = np.quantile(finite, _DECILES, method="higher")
    # An edge at the minimum would leave an empty bin below it.
    edges: np.ndarray = np.unique(deciles[deciles > finite.min()])
    return edges


def find_range(values: np.ndarray) -> tuple[float | None, float | None]:
    """Returns the smallest and the largest finite value, None where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (None, None)


def count_numbers(values: np.ndarray, edges: npt.ArrayLike) -> np.ndarray:
    """Returns how many values are in each bin; NaN must not be among them."""
    bins = np.asarray(edges, np.float64)
    counts: np.ndarray = np.bincount(np.searchsorted(bins, values, side="right"), minlength=bins.size + 1)
    return counts


def summarize_categories(values: Iterable[str], rows: int, missing: int) -> CategoryReference:
    """Returns the reference of a categorical feature.

    Args:
        values: its values, those that are missing left out.
        rows: rows that the values come from.
        missing: rows without a value.
    """
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    other = sum(count for _, count in ordered[TOP_VALUES:])
    return CategoryReference(dict(ordered[:TOP_VALUES]), other, rows, missing)


def name_category(value: bytes | str) -> str:
    """Returns the name under which a value is counted: UTF-8, at most 64 characters, other values have other names."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) <= _LONGEST_NAME:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[: _LONGEST_NAME - 13]}…{digest}"


def to_json(reference: Reference) -> str:
    """Returns the reference as one line of JSON, the same for the same reference."""
    content = {
        "format": FORMAT,
        "features": {name: _encode(each) for name, each in sorted(reference.features.items())},
        "predictions": {name: _encode(each) for name, each in sorted(reference.predictions.items())},
        "quality": None if reference.quality is None else encode_quality(reference.quality),
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def from_json(text: str | bytes) -> Reference:
    """Returns the reference that `to_json` wrote.

    Raises:
        ReferenceDamaged: it is not one.
    """
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise ReferenceDamaged(f"its format is {content['format']!r}, and this program knows format {FORMAT}")
        quality = content.get("quality")
        return Reference(
            {name: _decode(each) for name, each in content["features"].items()},
            {name: _decode(each) for name, each in content["predictions"].items()},
            None if quality is None else decode_quality(quality),
        )
    except ReferenceDamaged:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReferenceDamaged(f"it is damaged ({type(error).__name__}: {error})") from None


def _encode(reference: FeatureReference) -> dict[str, Any]:
    kind = "number" if isinstance(reference, NumberReference) else "category"
    return {"kind": kind} | asdict(reference)


def _decode(content: dict[str, Any]) -> FeatureReference:
    fields = dict(content)
    kind = fields.pop("kind")
    if kind == "category":
        values = {str(value): _count(count) for value, count in fields["counts"].items()}
        return CategoryReference(values, _count(fields["other"]), _count(fields["rows"]), _count(fields["missing"]))
    if kind != "number":
        raise ValueError(f"kind {kind!r}")
    edges = tuple(float(edge) for edge in fields["edges"])
    counts = tuple(_count(count) for count in fields["counts"])
    if len(counts) != len(edges) + 1 or any(a >= b for a, b in pairwise(edges)):
        raise ValueError("edges and counts do not fit")
    low, high = (None if fields[key] is None else float(fields[key]) for key in ("low", "high"))
    histogram = tuple(_count(count) for count in fields.get("histogram", ()))
    return NumberReference(edges, counts, low, high, _count(fields["rows"]), _count(fields["missing"]), histogram)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value
