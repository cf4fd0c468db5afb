"""What simple models reach on the same rows: the bound for the network, and columns that know the label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hilir.pipeline.project.columns.column import Column
from hilir.pipeline.project.columns.dates import parse_dates
from hilir.pipeline.project.columns.kinds import is_null, read_numbers
from hilir.pipeline.project.columns.several_values import read_tags, read_vectors
from hilir.pipeline.project.label import Label

_DRAWS, _LEAST_MARGIN, _SEED = 500, 0.02, 1
_LEAK = {"binary": 0.99, "multiclass": 0.99, "regression": 0.98}
_LEAK_ROWS, _ROWS, _DRAWN_ROWS = 5_000, 50_000, 2_000
_MOST_TAGS = 50
_MODELS = ("linear", "trees")


@dataclass(frozen=True)
class Baseline:
    """What linear models and trees reach on the evaluation split.

    Attributes:
        metric: `auc`, `accuracy` or `r2`.
        linear, trees: the value of each.
        error: standard error of the better one, by 500 bootstrap draws of the rows; its standard deviation over other
            splits, where there are some and that is larger: 50 rows may be easy ones.
        typical: the better one's mean over this and other splits; 1 where there are none.
        bound: the smaller of better one and typical - max(0.02, 2 errors), and not below chance.
        chance: what a model reaches that knows nothing.
        spread: standard deviation of the label in the evaluation split, for `r2`.
    """

    metric: str
    linear: float
    trees: float
    error: float
    chance: float
    spread: float = 0.0
    typical: float = 1.0

    @property
    def best(self) -> float:
        """The better of the two."""
        return max(self.linear, self.trees)

    @property
    def margin(self) -> float:
        """By how much the network may stay behind."""
        return max(_LEAST_MARGIN, 2 * self.error)

    @property
    def bound(self) -> float:
        """What the network has to reach."""
        return max(min(self.best, self.typical) - self.margin, self.chance)

    @property
    def reason(self) -> str:
        """Where the bound comes from, in words."""
        easy = self.typical < self.best
        return f"{f'their mean over splits, {self.typical:.3f},' if easy else 'the better one'} - {self.margin:.3f}"

    @property
    def is_weak(self) -> bool:
        """Whether neither model is better than chance by more than the error."""
        return self.best - 2 * self.error <= self.chance

    @property
    def rmse(self) -> float:
        """The bound on R² as one on the root of the mean squared error."""
        return float(self.spread * np.sqrt(max(0.0, 1 - self.bound)))


def find_leaks(cells: pd.DataFrame, columns: Sequence[Column], label: Label) -> dict[str, str]:
    """Returns the columns that know the label, each with the reason.

    A tree of depth 5 on one column alone, or on whether it has a value, in 5-fold cross-validation reaches an AUC of
    0.99 or an R² of 0.98. The strongest honest columns of the usual tables stay below: iris petal length 0.986.
    """
    rows = np.flatnonzero(label.values.notna().to_numpy())
    rows = rows[:: max(1, len(rows) // _LEAK_ROWS)]
    target = label.values.iloc[rows]
    found = {}
    for column in columns:
        if not column.is_feature or column.kind in ("text", "tags", "vector"):
            continue
        texts = cells[column.name].iloc[rows]
        for what, values in (("it", _as_codes(texts, column)), ("whether it has a value", is_null(texts))):
            matrix = np.asarray(values, float).reshape(-1, 1)
            if len(np.unique(matrix[~np.isnan(matrix)])) < 2:
                continue
            score = _score_alone(matrix, target, label.task, _LEAK[label.task])
            if score >= _LEAK[label.task]:
                name = "R²" if label.task == "regression" else "AUC"
                found[column.name] = f"{what} alone gives the label ({name} {score:.3f})"
                break
    return found


def _as_codes(texts: pd.Series, column: Column) -> np.ndarray:
    found: np.ndarray
    if column.kind in ("number", "log number") or (column.is_int and column.kind == "category"):
        found = read_numbers(texts, column).fillna(-1e9).to_numpy(float)
    else:
        # A tree of depth 5 tells apart as many groups of neighbours as it needs, whatever their order.
        found = pd.factorize(texts.fillna("").astype(str), sort=True)[0].astype(float)
    return found


def _score_alone(matrix: np.ndarray, target: pd.Series, task: str, limit: float) -> float:
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if task == "regression":
        tree: Any = DecisionTreeRegressor(max_depth=5, random_state=_SEED)
        folds: Any = KFold(5, shuffle=True, random_state=_SEED)
        values = target.to_numpy(float)
        # What it does not reach on the rows that it learned from it does not reach on others: a fifth of the time.
        own = float(r2_score(values, tree.fit(matrix, values).predict(matrix)))
        return own if own < limit else float(r2_score(values, cross_val_predict(tree, matrix, values, cv=folds)))
    codes, _ = pd.factorize(target, sort=True)
    tree = DecisionTreeClassifier(max_depth=5, random_state=_SEED)
    folds = StratifiedKFold(5, shuffle=True, random_state=_SEED)
    own = _area(codes, tree.fit(matrix, codes).predict_proba(matrix))
    if own < limit:
        return own
    return _area(codes, cross_val_predict(tree, matrix, codes, cv=folds, method="predict_proba"))


def _area(codes: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    if scores.shape[1] == 2:
        return float(roc_auc_score(codes, scores[:, 1]))
    return float(roc_auc_score(codes, scores, multi_class="ovr"))


def find_baseline(
    cells: pd.DataFrame,
    columns: Sequence[Column],
    label: Label,
    evaluation: np.ndarray,
    others: Sequence[np.ndarray] = (),
) -> Baseline:
    """Returns what a linear model and boosted trees reach on the rows of the evaluation split.

    Args:
        cells: strings by column.
        columns: those that are features are used.
        label: what is predicted.
        evaluation: which rows are for evaluation, [rows] bool.
        others: other splits of the same rows, which tell how much of the value is the split's.
    """
    metric, truth, answers = _answer(cells, columns, label, evaluation, _MODELS)
    linear, trees = (_measure(metric, truth, answers[name]) for name in _MODELS)
    better = "linear" if linear >= trees else "trees"
    values = [max(linear, trees)]
    for each in others:
        # Of the other splits the better model alone tells, and trees of many classes take long.
        _, there, answered = _answer(cells, columns, label, each, (better,))
        values.append(_measure(metric, there, answered[better]))
    chance = {"auc": 0.5, "r2": 0.0}.get(metric) or 0.0
    if metric == "accuracy":
        chance = float(np.bincount(truth).max() / len(truth))
    return Baseline(
        metric,
        linear,
        trees,
        error=max(_bootstrap(metric, truth, answers[better]), float(np.std(values))),
        chance=chance,
        spread=float(np.std(truth)),
        typical=float(np.mean(values)) if others else 1.0,
    )


def _answer(
    cells: pd.DataFrame, columns: Sequence[Column], label: Label, evaluation: np.ndarray, names: Sequence[str]
) -> tuple[str, np.ndarray, dict[str, np.ndarray]]:
    """Returns the metric, what is true of the rows that evaluate, and what each of the named models says of them."""
    there = label.values.notna().to_numpy()
    train, test = np.flatnonzero(there & ~evaluation), np.flatnonzero(there & evaluation)
    train = train[:: max(1, len(train) // _ROWS)]
    if label.task == "regression":
        target: np.ndarray = label.values.to_numpy(float)
        metric = "r2"
    else:
        target = pd.Categorical(label.values, categories=list(label.classes)).codes
        metric = "auc" if label.task == "binary" else "accuracy"
    wide, narrow = _matrices(cells, columns, train)
    models = {"linear": (_linear(label.task), wide), "trees": (_trees(label.task, len(train)), narrow)}
    answers = {
        name: _predict(model, matrix[train], target[train], matrix[test], label.task)
        for name, (model, matrix) in models.items()
        if name in names
    }
    return metric, target[test], answers


def _matrices(cells: pd.DataFrame, columns: Sequence[Column], train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the features for a linear model, scaled and one-hot, and for trees."""
    wide: list[np.ndarray] = []
    narrow: list[np.ndarray] = []
    for column in columns:
        if not column.is_feature:
            continue
        for values, is_code in _expand(cells[column.name], column):
            narrow.append(values)
            if is_code:
                codes, counts = np.unique(values[train], return_counts=True)
                frequent = codes[np.argsort(-counts)][:100]
                wide.extend(values == code for code in frequent)
                continue
            lacking = np.isnan(values)
            mean, spread = np.nanmean(values[train]), np.nanstd(values[train])
            scaled = (np.where(lacking, mean, values) - mean) / (spread or 1.0)
            wide.append(np.clip(scaled, -5, 5))
            if lacking.any():
                wide.append(lacking)
    rows = len(cells)
    stack = wide or [np.zeros(rows)]
    return np.stack(stack, axis=1).astype(np.float32), np.stack(narrow or [np.zeros(rows)], axis=1)


def _expand(texts: pd.Series, column: Column) -> Iterator[tuple[np.ndarray, bool]]:
    if column.kind in ("number", "log number"):
        numbers = read_numbers(texts, column).to_numpy()
        yield (np.log1p(np.maximum(numbers, 0)) if column.kind == "log number" else numbers), False
    elif column.kind == "date":
        times = parse_dates(texts, column.format)
        yield times.astype("int64").where(times.notna()).to_numpy(float), False
        yield times.dt.month.to_numpy(float), False
        yield times.dt.dayofweek.to_numpy(float), False
        yield times.dt.hour.to_numpy(float), False
    elif column.kind == "vector":
        yield from ((values, False) for values in read_vectors(texts, column).T)
    elif column.kind == "tags":
        lists = read_tags(texts, column)
        frequent = lists.explode().value_counts().index[:_MOST_TAGS]
        yield from ((lists.map(lambda tags, tag=tag: tag in tags).to_numpy(float), False) for tag in frequent)
    elif column.kind == "text":
        from sklearn.feature_extraction.text import HashingVectorizer

        bags = HashingVectorizer(n_features=64, alternate_sign=False).transform(texts.fillna(""))
        yield from ((bags[:, index].toarray()[:, 0], False) for index in range(64))
    else:
        codes, _ = pd.factorize(texts.fillna("").astype(str).str.strip(), sort=True)
        yield codes.astype(float), True


def _linear(task: str) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return Ridge(1.0) if task == "regression" else LogisticRegression(max_iter=300)


def _trees(task: str, rows: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    options = {"max_iter": 200, "learning_rate": 0.05 if rows < 2000 else 0.1, "early_stopping": False}
    kind = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    return kind(random_state=_SEED, **options)


def _predict(model: Any, train: Any, target: np.ndarray, test: Any, task: str) -> np.ndarray:
    model.fit(train, target)
    if task == "binary":
        scores: np.ndarray = model.predict_proba(test)[:, 1]
        return scores
    answers: np.ndarray = model.predict(test)
    return answers


def _measure(metric: str, truth: np.ndarray, answers: np.ndarray) -> float:
    from sklearn.metrics import r2_score, roc_auc_score

    match metric:
        case "auc":
            return float(roc_auc_score(truth, answers))
        case "accuracy":
            return float(np.mean(truth == answers))
        case _:
            return float(r2_score(truth, answers))


def _bootstrap(metric: str, truth: np.ndarray, answers: np.ndarray) -> float:
    random = np.random.default_rng(_SEED)
    draws = []
    # Of many rows smaller draws: the error goes with one over the root of their number.
    size = min(len(truth), _DRAWN_ROWS)
    for _ in range(_DRAWS):
        rows = random.integers(0, len(truth), size)
        if metric == "accuracy" or len(np.unique(truth[rows])) > 1:
            draws.append(_measure(metric, truth[rows], answers[rows]))
    return float(np.std(draws) * np.sqrt(size / len(truth)))
