"""Drift of a window of rows against a reference: significant, and large enough to matter.

A difference counts only if chance does not explain it: p below `ALPHA` / number of features, by a chi-square test on
the reference's own bins, and by exact tests for shares. Its size is the Jensen-Shannon divergence in bits of the same
bins, which decides the level. A test of significance alone flags everything on large data, a divergence alone every
small window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy import special

from hilir.analysis.reference import (
    CategoryReference,
    FeatureReference,
    NumberReference,
    count_numbers,
    find_range,
)

# Chance of a false "seen" per window over all features together (Bonferroni).
ALPHA = 0.005
# Jensen-Shannon divergence in bits from which a difference that is not chance is worth a warning, and an alarm:
# about a mean shift of 0.35 and of 0.8 standard deviations.
WARN, ALARM = 0.02, 0.1
# Below this many rows nothing is decided.
MIN_ROWS = 200
# Bins that expect fewer values than this in the window are tested together (Cochran's rule).
_MIN_EXPECTED = 5.0
# Chance that the reference does not name a category that both samples together have as often as `_least_named` asks.
_UNNAMED = 1e-3


class Level(IntEnum):
    """How much a window differs; each level includes the one before."""

    NONE = 0
    SEEN = 1
    WARN = 2
    ALARM = 3


@dataclass(frozen=True)
class Difference:
    """One way in which a window differs from the reference.

    Attributes:
        what: `distribution`, `missing`, `new` (values that the reference does not have by name) or `lost`.
        p: the chance of such a difference, or a larger one, without drift.
        size: Jensen-Shannon divergence in bits, 0 to 1.
        level: what follows from both.
        detail: shares, or the values that are lost, for a person.
    """

    what: str
    p: float
    size: float
    level: Level
    detail: str = ""


@dataclass(frozen=True)
class FeatureDrift:
    """A feature in a window.

    Attributes:
        feature: its name.
        window: the window in the reference's bins.
        differences: the tests that were made, the worst first; none if the window has fewer than `MIN_ROWS` rows.
    """

    feature: str
    window: FeatureReference
    differences: tuple[Difference, ...]

    @property
    def level(self) -> Level:
        """The highest level of its differences."""
        return max((each.level for each in self.differences), default=Level.NONE)

    @property
    def size(self) -> float:
        """The largest divergence of its differences, in bits."""
        return max((each.size for each in self.differences), default=0.0)


def compare(
    references: Mapping[str, FeatureReference], windows: Mapping[str, FeatureReference], alpha: float = ALPHA
) -> list[FeatureDrift]:
    """Returns the drift of each feature that both have, the worst first.

    Args:
        references: as the version carries them.
        windows: the same features, counted in the references' bins (`count_window`).
        alpha: chance of a false `SEEN` over all features together.
    """
    names = [name for name in references if name in windows]
    found = [compare_feature(name, references[name], windows[name], alpha / max(len(names), 1)) for name in names]
    return sorted(found, key=lambda drift: (-drift.level, -drift.size, drift.feature))


def count_window(reference: FeatureReference, values: npt.ArrayLike, rows: int, missing: int) -> FeatureReference:
    """Returns a window of values, those that are missing left out, in the bins of the reference."""
    if isinstance(reference, NumberReference):
        flat = np.asarray(values, np.float64).ravel()
        counts = count_numbers(flat, reference.edges)
        return NumberReference(reference.edges, tuple(counts.tolist()), *find_range(flat), rows, missing)
    names, numbers = np.unique(np.asarray(values, object).astype(str), return_counts=True)
    known = {str(name): int(n) for name, n in zip(names, numbers, strict=True) if name in reference.counts}
    return CategoryReference(known, int(numbers.sum()) - sum(known.values()), rows, missing)


def count_outside(reference: NumberReference, values: npt.ArrayLike) -> int:
    """Returns how many values are farther from the reference's range than three times that range; not tested, shown."""
    if reference.low is None or reference.high is None:
        return 0
    flat = np.asarray(values, np.float64).ravel()
    margin = 3 * (reference.high - reference.low)
    return int(np.sum((flat < reference.low - margin) | (flat > reference.high + margin)))


def compare_feature(name: str, reference: FeatureReference, window: FeatureReference, alpha: float) -> FeatureDrift:
    """Returns the drift of one feature.

    Args:
        name: its name.
        reference: what it was.
        window: what it is, in the same bins.
        alpha: chance of a false `SEEN` of each test.

    Raises:
        ValueError: the window is not in the bins of the reference.
    """
    if window.rows < MIN_ROWS or reference.rows == 0:
        return FeatureDrift(name, window, ())
    found = [_missing(reference, window, alpha)]
    known, counted = reference, window
    if isinstance(known, CategoryReference) and isinstance(counted, CategoryReference):
        known, counted = _merge_rare_categories(known, counted)
        found += [_new(known, counted, alpha), _lost(known, counted, alpha)]
    before, now = _bins(known, counted)
    found.append(_distribution(_per_row(before, known), _per_row(now, counted), alpha))
    differences = sorted((each for each in found if each is not None), key=lambda d: (-d.level, -d.size, d.p))
    return FeatureDrift(name, window, tuple(differences))


def chi_square(before: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    """Returns statistic and p of the two-sample chi-square test of homogeneity; (0, 1) where nothing can be tested."""
    used = before + now > 0
    before, now = before[used], now[used]
    n_before, n_now = before.sum(), now.sum()
    if before.size < 2 or n_before == 0 or n_now == 0:
        return 0.0, 1.0
    pooled = (before + now) / (n_before + n_now)
    difference = now / n_now - before / n_before
    statistic = float(np.sum(difference**2 / pooled) / (1 / n_before + 1 / n_now))
    return statistic, float(special.chdtrc(before.size - 1, statistic))


def divergence(before: np.ndarray, now: np.ndarray) -> float:
    """Returns the Jensen-Shannon divergence of two counts in bits, 0 (alike) to 1 (nothing in common)."""
    if before.sum() == 0 or now.sum() == 0:
        return 0.0
    p, q = before / before.sum(), now / now.sum()
    middle = (p + q) / 2
    both = special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum()
    return float(min(max(both / 2 / np.log(2), 0.0), 1.0))


def compare_shares(hits: int, rows: int, reference_hits: int, reference_rows: int) -> float:
    """Returns the p of Fisher's exact test, two-sided, that two shares are the same."""
    total, marked = rows + reference_rows, hits + reference_hits
    first, last = max(0, marked - reference_rows), min(marked, rows)
    possible = np.arange(first, last + 1)
    log_p = _log_choose(marked, possible) + _log_choose(total - marked, rows - possible) - _log_choose(total, rows)
    observed = log_p[hits - first]
    # Equal probabilities differ in their last digits.
    return float(min(np.exp(log_p[log_p <= observed + 1e-7]).sum(), 1.0))


def smallest_shift(rows: int, reference_rows: int, features: int, power: float = 0.8, alpha: float = ALPHA) -> float:
    """Returns the mean shift that a window of `rows` finds with `power`, in standard deviations of a normal feature."""
    critical = special.chdtri(9, alpha / features)
    inner = special.ndtri(np.arange(0.1, 0.95, 0.1))
    low, high = 0.0, 10.0
    for _ in range(60):
        shift = (low + high) / 2
        p, q = np.full(10, 0.1), np.diff(special.ndtr(np.concatenate([[-np.inf], inner - shift, [np.inf]])))
        pooled = (rows * q + reference_rows * p) / (rows + reference_rows)
        excess = np.sum((q - p) ** 2 / pooled) / (1 / rows + 1 / reference_rows)
        if 1 - special.chndtr(critical, 9, excess) < power:
            low = shift
        else:
            high = shift
    return high


def _log_choose(n: npt.ArrayLike, k: npt.ArrayLike) -> np.ndarray:
    n, k = np.asarray(n, np.float64), np.asarray(k, np.float64)
    result: np.ndarray = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return result


def _level(p: float, size: float, alpha: float) -> Level:
    if p >= alpha:
        return Level.NONE
    return Level.ALARM if size >= ALARM else Level.WARN if size >= WARN else Level.SEEN


def _bins(reference: FeatureReference, window: FeatureReference) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(reference, NumberReference) and isinstance(window, NumberReference):
        if reference.edges != window.edges:
            raise ValueError("the window is not counted in the bins of the reference")
        return np.array(reference.counts, np.int64), np.array(window.counts, np.int64)
    if isinstance(reference, CategoryReference) and isinstance(window, CategoryReference):
        before = [*reference.counts.values(), reference.other]
        now = [*(window.counts.get(value, 0) for value in reference.counts), window.other]
        return np.array(before, np.int64), np.array(now, np.int64)
    raise ValueError("the window is of another kind than the reference")


def _per_row(counts: np.ndarray, of: FeatureReference) -> np.ndarray:
    """Returns counts that are one a row: the values of one row, like pixels of an image, are no independent draws."""
    rows, values = of.rows - of.missing, counts.sum()
    return counts * (rows / values) if values > rows else counts


def _distribution(before: np.ndarray, now: np.ndarray, alpha: float) -> Difference:
    before, now = _merge_rare(before, now)
    _, p = chi_square(before, now)
    size = divergence(before, now)
    return Difference("distribution", p, size, _level(p, size, alpha))


def _merge_rare_categories(
    reference: CategoryReference, window: CategoryReference
) -> tuple[CategoryReference, CategoryReference]:
    """Returns both with the rare categories in `other`.

    The reference names the categories that it has most of. Rare ones among them are there by chance, and have less in
    any other sample, while those without a name have more: without drift, too. Which categories stand for themselves is
    decided by both samples together, since it is chance alone how these divide into the two.
    """
    least = _least_named(reference, window)
    named = {v: count for v, count in reference.counts.items() if count + window.counts.get(v, 0) >= least}
    kept = {value: window.counts.get(value, 0) for value in named}
    other = reference.other + sum(reference.counts.values()) - sum(named.values())
    now = window.other + sum(window.counts.values()) - sum(kept.values())
    return replace(reference, counts=named, other=other), replace(window, counts=kept, other=now)


def _least_named(reference: CategoryReference, window: CategoryReference) -> int:
    """Returns how often both samples together must have a category, so that the reference names it almost surely."""
    total = sum(reference.counts.values()) + reference.other
    share = total / max(total + sum(window.counts.values()) + window.other, 1)
    # All categories with more than this have a name.
    unnamed = min(reference.counts.values(), default=0) if reference.other else 0
    low, high = unnamed, unnamed + 1
    while special.bdtr(unnamed, high, share) > _UNNAMED and share > 0:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if special.bdtr(unnamed, middle, share) > _UNNAMED else (low, middle)
    return high


def _merge_rare(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the counts with the bins together that expect too few values in the smaller sample."""
    total = before.sum() + now.sum()
    if total == 0:
        return before, now
    rare = (before + now) * min(before.sum(), now.sum()) / total < _MIN_EXPECTED
    if rare.sum() < 2:
        return before, now
    return np.append(before[~rare], before[rare].sum()), np.append(now[~rare], now[rare].sum())


def _share(
    what: str, hits: int, rows: int, reference_hits: int, reference_rows: int, alpha: float
) -> Difference | None:
    if rows == 0 or reference_rows == 0 or hits + reference_hits == 0:
        return None
    p = compare_shares(hits, rows, reference_hits, reference_rows)
    size = divergence(
        np.array([reference_hits, reference_rows - reference_hits]), np.array([hits, rows - hits])
    )  # fmt: skip
    detail = f"{hits / rows:.1%}, was {reference_hits / reference_rows:.1%}"
    return Difference(what, p, size, _level(p, size, alpha), detail)


def _missing(reference: FeatureReference, window: FeatureReference, alpha: float) -> Difference | None:
    return _share("missing", window.missing, window.rows, reference.missing, reference.rows, alpha)


def _new(reference: CategoryReference, window: CategoryReference, alpha: float) -> Difference | None:
    before, now = sum(reference.counts.values()) + reference.other, sum(window.counts.values()) + window.other
    if window.other / max(now, 1) <= reference.other / max(before, 1):
        return None
    return _share("new", window.other, now, reference.other, before, alpha)


def _lost(reference: CategoryReference, window: CategoryReference, alpha: float) -> Difference | None:
    """Finds values that the window should have and does not."""
    total, now = sum(reference.counts.values()) + reference.other, sum(window.counts.values()) + window.other
    if total == 0 or now == 0:
        return None
    # Hypergeometric: a share that is known from a few values is known roughly, which (1 - share)^n does not see.
    chances = {
        value: float(np.exp(_log_choose(total + now - count, now) - _log_choose(total + now, now)))
        for value, count in reference.counts.items()
        if count and not window.counts.get(value)
    }
    lost = [value for value, chance in chances.items() if chance < alpha / len(reference.counts)]
    if not lost:
        return None
    gone = sum(reference.counts[value] for value in lost)
    size = divergence(np.array([gone, total - gone]), np.array([0, now]))
    p = min(chances[value] for value in lost)
    return Difference("lost", p, size, _level(p, size, alpha), ", ".join(lost[:5]) + (" …" if len(lost) > 5 else ""))
