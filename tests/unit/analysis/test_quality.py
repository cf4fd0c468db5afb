from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import (
    accuracy_score,
    mean_absolute_error,
    precision_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

from hilir.analysis.quality import (
    QualityReference,
    ScoreCounts,
    _fit_steps,
    estimate_metrics,
    find_limit,
    fit_quality,
    measure_errors,
    measure_metrics,
    standard_error,
    wilson,
)
from hilir.analysis.reference import Reference, from_json, to_json

ROWS = 8000


@pytest.fixture
def rng():
    return np.random.default_rng(9)


def draw(rng, rows=ROWS, shift=0.0, overconfident=1.0):
    """Scores of a model whose logits are too large by a factor, and labels."""
    logits = rng.normal(shift, 1.5, rows)
    labels = (rng.random(rows) < 1 / (1 + np.exp(-logits))).astype(float)
    return 1 / (1 + np.exp(-overconfident * logits)), labels


def count(reference, scores):
    counts = ScoreCounts.empty(reference)
    counts.add(reference, scores)
    return counts


def test_metrics_are_those_of_scikit_learn(rng):
    scores, labels = draw(rng)
    scores = scores.round(2)
    found = measure_metrics(fit_quality("p", "y", scores, labels), scores, labels)
    decided = scores >= 0.5
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, decided), abs=1e-12)
    assert found["auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found["precision"] == pytest.approx(precision_score(labels, decided), abs=1e-12)
    assert found["recall"] == pytest.approx(recall_score(labels, decided), abs=1e-12)


def test_steps_are_an_isotonic_regression(rng):
    scores, labels = draw(rng, 3000)
    edges = np.unique(np.quantile(scores, np.arange(1, 50) / 50)).tolist()
    places = np.searchsorted(edges, scores, side="right")
    expected = IsotonicRegression().fit(places, labels).predict(np.arange(len(edges) + 1))
    assert _fit_steps(edges, scores, labels) == pytest.approx(expected, abs=1e-9)


def test_scores_that_are_calibrated_stay_as_they_are(rng):
    reference = fit_quality("p", "y", *draw(rng))
    assert reference.probabilities == ()
    assert reference.errors[0] < 0.03


def test_overconfident_scores_are_calibrated(rng):
    scores, labels = draw(rng, overconfident=4.0)
    reference = fit_quality("p", "y", scores, labels)
    assert reference.errors[1] < 0.03 < reference.errors[0]
    assert list(reference.probabilities) == sorted(reference.probabilities)
    assert reference.estimated["accuracy"] == pytest.approx(reference.realised["accuracy"], abs=0.01)
    assert reference.estimated["auc"] == pytest.approx(reference.realised["auc"], abs=0.01)


@pytest.mark.parametrize("overconfident", [1.0, 4.0])
@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.5])
def test_estimates_follow_a_shift_of_the_inputs(rng, shift, overconfident):
    reference = fit_quality("p", "y", *draw(rng, overconfident=overconfident))
    scores, labels = draw(rng, 5000, shift, overconfident)
    estimated = estimate_metrics(reference, count(reference, scores))
    realised = measure_metrics(reference, scores, labels)
    for metric in ("accuracy", "auc", "precision", "recall", "positive_share"):
        assert estimated[metric] == pytest.approx(realised[metric], abs=0.035), metric


def test_estimates_are_blind_to_labels_that_change(rng):
    """What the name "estimated" warns of: the same inputs mean something else now, and no score shows it."""
    reference = fit_quality("p", "y", *draw(rng))
    scores, labels = draw(rng, 5000)
    assert estimate_metrics(reference, count(reference, scores))["accuracy"] > 0.7
    assert measure_metrics(reference, scores, 1 - labels)["accuracy"] < 0.3


def test_several_classes(rng):
    logits = rng.normal(size=(ROWS, 4)) * 2
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(4, p=row) for row in scores])
    reference = fit_quality("scores", "y", scores, labels)
    assert (reference.kind, set(reference.realised)) == ("multiclass", {"accuracy"})
    assert reference.estimated["accuracy"] == pytest.approx(reference.realised["accuracy"], abs=0.015)


def test_logits_of_two_classes(rng):
    scores, labels = draw(rng)
    reference = fit_quality("logit", "y", np.log(scores / (1 - scores)), labels)
    assert reference.threshold == 0
    assert reference.probabilities
    assert reference.estimated["accuracy"] == pytest.approx(reference.realised["accuracy"], abs=0.01)


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        (np.arange(1000) % 4, np.arange(1000) % 4),  # classes, not amounts
        (np.linspace(0, 1, 100), np.arange(100) % 2),  # too few
        (np.linspace(0, 1, 1000), np.arange(1000) == 0),  # one class
        (np.full(1000, np.nan), np.arange(1000) % 2),
        (np.zeros((1000, 3)), np.arange(1000) % 3),  # logits of several classes
    ],
)
def test_what_has_no_quality(scores, labels):
    assert fit_quality("p", "y", scores, labels) is None


def test_a_reference_with_quality_survives_json(rng):
    reference = Reference({}, {}, fit_quality("p", "y", *draw(rng, overconfident=4.0)))
    text = to_json(reference)
    assert from_json(text) == reference
    assert isinstance(from_json(text).quality, QualityReference)
    assert len(text) < 4000


def test_chance_is_below_the_bound_in_few_windows(rng):
    reference = fit_quality("p", "y", *draw(rng))
    below = {("accuracy", True): 0, ("auc", True): 0, ("accuracy", False): 0, ("auc", False): 0}
    for _ in range(200):
        scores, labels = draw(rng, 1000)
        values = {
            True: estimate_metrics(reference, count(reference, scores)),
            False: measure_metrics(reference, scores, labels),
        }
        for metric, estimated in below:
            bound = find_limit(reference, metric, 1000, estimated=estimated)
            below[metric, estimated] += values[estimated][metric] < bound
    assert max(below.values()) <= 4
    assert 0.04 < reference.realised["accuracy"] - find_limit(reference, "accuracy", 1000, estimated=False) < 0.06


def test_standard_error_of_auc_is_hanley_and_mcneils():
    """Their example: A = 0.893, 51 abnormal and 58 normal images, SE 0.032 (Radiology 143, 1982, Table II)."""
    assert standard_error("auc", 0.893, 51, 58) == pytest.approx(0.032, abs=0.001)


def test_wilson():
    """Newcombe (1998), Statistics in Medicine 17, Table I: 81 of 263 is 0.2553 to 0.3662; 0 of 20 is 0 to 0.1611."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_errors_of_a_regression_are_those_of_scikit_learn(rng):
    observed = rng.lognormal(3, 1, ROWS)
    predicted = (observed + rng.normal(0, 5, ROWS)).astype(np.float32)
    reference = fit_quality("p", "y", predicted[:, None], np.append(observed[:-1], np.nan))
    assert (reference.kind, reference.rows, reference.estimated) == ("regression", ROWS - 1, {})
    assert reference.realised["mae"] == pytest.approx(mean_absolute_error(observed[:-1], predicted[:-1]), rel=1e-12)
    found = measure_errors(predicted, observed)
    assert found["rmse"][0] == pytest.approx(root_mean_squared_error(observed, predicted), rel=1e-12)
    content = to_json(Reference({}, {}, reference))
    assert from_json(content).quality == reference


def test_standard_errors_of_a_regression_are_those_of_repeated_samples(rng):
    samples = [measure_errors(rng.normal(size=500), np.zeros(500)) for _ in range(3000)]
    for metric in ("mae", "rmse"):
        values, deviations = np.array([each[metric] for each in samples]).T
        assert np.mean(deviations) / 500**0.5 == pytest.approx(values.std(), rel=0.05)


def test_a_regression_is_worse_by_chance_in_few_windows_and_with_larger_errors_in_all(rng):
    def draw_errors(rows, size=1.0):
        return size * rng.exponential(10, rows) * rng.choice([-1, 1], rows)

    observed = rng.normal(100, 30, ROWS)
    reference = fit_quality("p", "y", observed + draw_errors(ROWS), observed)
    limit = find_limit(reference, "mae", 500, estimated=False)
    assert reference.realised["mae"] < limit < 1.2 * reference.realised["mae"]
    worse = {
        size: np.mean([measure_errors(draw_errors(500, size), np.zeros(500))["mae"][0] > limit for _ in range(1000)])
        for size in (1.0, 1.3)
    }
    assert worse[1.0] <= 0.01
    assert worse[1.3] >= 0.99
