"""Which way a metric is better, from the name of its class or its own."""

from __future__ import annotations

import re

# They describe the rows, not the model.
COUNTS = frozenset({"ExampleCount", "WeightedExampleCount", "MeanLabel", "Prevalence"})
_NEITHER = {"MeanPrediction", "Calibration", "PredictedPositiveRate", "PrevalenceThreshold", "ThresholdAtRecall"}
_EXACT = {
    "RecallAtFalsePositiveRate": 1,
    "PositiveLikelihoodRatio": 1,
    "NegativeLikelihoodRatio": -1,
    "CoefficientOfDiscrimination": 1,
}
_LOWER = frozenset(
    {"loss", "error", "errors", "err", "crossentropy", "entropy", "hinge", "divergence", "mse", "mae", "rmse",
     "mape", "smape", "msle", "kld", "nll", "logcosh", "poisson", "perplexity", "deviance", "pinball", "regret",
     "brier", "FN", "FNR", "FP", "FPR", "FallOut", "FalseDiscoveryRate", "FalseOmissionRate", "MissRate"}
)  # fmt: skip
_HIGHER = frozenset(
    {"accuracy", "acc", "auc", "auroc", "auprc", "prauc", "precision", "recall", "f1", "fbeta", "r2", "iou",
     "similarity", "sensitivity", "specificity", "kappa", "mcc", "ndcg", "mrr", "bleu", "gini", "dice",
     "jaccard", "hitrate", "informedness", "markedness", "correlation", "TP", "TPR", "TN", "TNR", "PPV", "NPV"}
)  # fmt: skip
_LOWER_PAIRS = re.compile(r"false_?(?:neg|pos)|cross_?entropy", re.IGNORECASE)
_HIGHER_PAIRS = re.compile(
    r"true_?(?:neg|pos)|f_?(?:1|beta)_?score|r2_?score|threat_?score|hit_?rate|predictive_?value|odds_?ratio|mallows|"
    r"(?:^|_|mean|binary|hot)io_?u(?:$|_)|(?:explained|r)_?(?:variance|squared)",
    re.IGNORECASE,
)


def find_direction(*names: str) -> int | None:
    """Returns 1 where higher is better, -1 where lower is, 0 where neither is, None where no name says it.

    Args:
        names: of a class (`MeanAbsoluteError`, `FPR`) or of a metric (`val_mae`, `click_auc_1`); the first that says it
            counts.
    """
    return next((found for found in map(_find, names) if found is not None), None)


def _find(name: str) -> int | None:
    if name in COUNTS | _NEITHER or name.lower().endswith("count"):
        return 0
    if name in _EXACT:
        return _EXACT[name]
    words = {name, *re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|\d+", name)}
    words |= {word.lower() for word in words}
    lower = bool(words & _LOWER or _LOWER_PAIRS.search(name))
    higher = bool(words & _HIGHER or _HIGHER_PAIRS.search(name))
    return None if lower == higher else -1 if lower else 1
