"""Every class of the table is made, given two batches and compared with Keras' or numpy's value."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tf_keras as keras
from tensorflow_model_analysis.metrics import metric_types

from hilir.components.evaluator import keras_metrics
from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.metric_check import find_metric_faults
from hilir.components.evaluator.metric_classes import CLASSES, FROM_KERAS, KERAS_LACKS, REFUSED, find_fault
from hilir.components.evaluator.settings import EvaluateSettings
from hilir.components.evaluator.trial import compute as compute_on

RNG = np.random.default_rng(7)
ROWS, FIRST = 60, 13
LABEL = RNG.integers(0, 2, (ROWS, 1))
SCORE = np.clip(LABEL * 0.35 + RNG.random((ROWS, 1)) * 0.65, 0.01, 0.99).astype("float32")
CLASS = RNG.integers(0, 4, (ROWS, 1))
_RAW = RNG.random((ROWS, 4)) + np.eye(4)[CLASS[:, 0]] * 0.6
SCORES = (_RAW / _RAW.sum(axis=1, keepdims=True)).astype("float32")
ONE_HOT = np.eye(4, dtype="float32")[CLASS[:, 0]]
AMOUNT = (RNG.random((ROWS, 1)) * 5 + 0.5).astype("float32")
GUESS = np.abs(AMOUNT + RNG.normal(size=(ROWS, 1))).astype("float32")

BINARY, CLASSES_OF_ROWS, HOT, AMOUNTS = (LABEL, SCORE), (CLASS, SCORES), (ONE_HOT, SCORES), (AMOUNT, GUESS)

y, p = LABEL[:, 0], SCORE[:, 0]
guess = p > 0.5
TP, FP = float(np.sum(guess & (y == 1))), float(np.sum(guess & (y == 0)))
FN, TN = float(np.sum(~guess & (y == 1))), float(np.sum(~guess & (y == 0)))
TPR, TNR, PPV, NPV = TP / (TP + FN), TN / (TN + FP), TP / (TP + FP), TN / (TN + FN)
FPR, FNR = 1 - TNR, 1 - TPR

BY_COUNTS = {
    "TP": TP, "FP": FP, "FN": FN, "TN": TN, "TruePositives": TP, "FalsePositives": FP, "FalseNegatives": FN,
    "TrueNegatives": TN, "TPR": TPR, "Recall": TPR, "TNR": TNR, "Specificity": TNR, "PPV": PPV, "Precision": PPV,
    "NPV": NPV, "NegativePredictiveValue": NPV, "FPR": FPR, "FallOut": FPR, "FNR": FNR, "MissRate": FNR,
    "FalseDiscoveryRate": 1 - PPV, "FalseOmissionRate": 1 - NPV, "BalancedAccuracy": (TPR + TNR) / 2,
    "DiagnosticOddsRatio": TP * TN / (FP * FN), "F1Score": 2 * TP / (2 * TP + FP + FN),
    "FowlkesMallowsIndex": (PPV * TPR) ** 0.5, "Informedness": TPR + TNR - 1, "Markedness": PPV + NPV - 1,
    "MatthewsCorrelationCoefficient": np.corrcoef(y, guess)[0, 1], "NegativeLikelihoodRatio": FNR / TNR,
    "PositiveLikelihoodRatio": TPR / FPR, "PredictedPositiveRate": (TP + FP) / ROWS, "Prevalence": (TP + FN) / ROWS,
    "PrevalenceThreshold": ((TPR * FPR) ** 0.5 - FPR) / (TPR - FPR), "ThreatScore": TP / (TP + FN + FP),
    "BinaryAccuracy": (TP + TN) / ROWS,
}  # fmt: skip

OTHERS = {
    "Calibration": (BINARY, p.sum() / y.sum()),
    "CoefficientOfDiscrimination": (BINARY, p[y == 1].mean() - p[y == 0].mean()),
    "ExampleCount": (BINARY, ROWS),
    "WeightedExampleCount": (BINARY, ROWS),
    "MaxRecall": (BINARY, 1.0),
    "MeanLabel": (AMOUNTS, AMOUNT.mean()),
    "MeanPrediction": (AMOUNTS, GUESS.mean()),
    "SquaredPearsonCorrelation": (AMOUNTS, np.corrcoef(AMOUNT[:, 0], GUESS[:, 0])[0, 1] ** 2),
}

# Against Keras: the rows, the arguments, how near (TFMA's thresholds of curves are finer than Keras' 200).
KERAS = {
    "BinaryCrossentropy": (BINARY, {}, 1e-5),
    "BinaryIoU": (BINARY, {"threshold": 0.4}, 1e-5),
    "CategoricalAccuracy": (HOT, {}, 1e-5),
    "CategoricalCrossentropy": (HOT, {}, 1e-5),
    "CategoricalHinge": (HOT, {}, 1e-5),
    "CosineSimilarity": (HOT, {}, 1e-5),
    "Hinge": (BINARY, {}, 1e-5),
    "KLDivergence": (HOT, {}, 1e-5),
    "LogCoshError": (AMOUNTS, {}, 1e-5),
    "MeanAbsoluteError": (AMOUNTS, {}, 1e-5),
    "MeanAbsolutePercentageError": (AMOUNTS, {}, 1e-3),
    "MeanSquaredError": (AMOUNTS, {}, 1e-5),
    "MeanSquaredLogarithmicError": (AMOUNTS, {}, 1e-5),
    "OneHotIoU": (HOT, {"num_classes": 4, "target_class_ids": [0, 2]}, 1e-5),
    "OneHotMeanIoU": (HOT, {"num_classes": 4}, 1e-5),
    "Poisson": (AMOUNTS, {}, 1e-5),
    "RootMeanSquaredError": (AMOUNTS, {}, 1e-5),
    "SparseCategoricalAccuracy": (CLASSES_OF_ROWS, {}, 1e-5),
    "SparseCategoricalCrossentropy": (CLASSES_OF_ROWS, {}, 1e-5),
    "SparseTopKCategoricalAccuracy": (CLASSES_OF_ROWS, {"k": 2}, 1e-5),
    "TopKCategoricalAccuracy": (HOT, {"k": 2}, 1e-5),
    "SquaredHinge": (BINARY, {}, 1e-5),
    "AUC": (BINARY, {}, 0.005),
    "PrecisionAtRecall": (BINARY, {"recall": 0.7}, 0.02),
    "RecallAtPrecision": (BINARY, {"precision": 0.8}, 0.04),
    "SensitivityAtSpecificity": (BINARY, {"specificity": 0.7}, 0.04),
    "SpecificityAtSensitivity": (BINARY, {"sensitivity": 0.7}, 0.04),
}


def compute(name, rows, arguments):
    labels, scores = rows
    settings = EvaluateSettings.model_validate(
        {
            "metrics": [{"name": "value", "class": name, "config": arguments}],
            "slices": {},
            "plots": False,
            "thresholds": [{"metric": "value", "min": 0}],
        }
    )
    batches = [(labels[:FIRST], scores[:FIRST].copy()), (labels[FIRST:], scores[FIRST:].copy())]
    return compute_on(make_eval_config(settings, "label"), batches)["value"]


@pytest.mark.parametrize(("name", "expected"), BY_COUNTS.items())
def test_what_comes_from_the_confusion_matrix(name, expected):
    assert compute(name, BINARY, {}) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("name", "rows", "expected"), [(name, *each) for name, each in OTHERS.items()])
def test_what_keras_does_not_have(name, rows, expected):
    assert compute(name, rows, {}) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(("name", "rows", "arguments", "near"), [(name, *each) for name, each in KERAS.items()])
def test_what_keras_has(name, rows, arguments, near):
    direct = getattr(keras.metrics, name)(**arguments)
    direct.update_state(*rows)
    assert compute(name, rows, arguments) == pytest.approx(float(direct.result()), abs=near)


def test_curves_that_keras_has_by_another_name():
    direct = keras.metrics.AUC(curve="PR", num_thresholds=10_000)
    direct.update_state(*BINARY)
    assert compute("AUCPrecisionRecall", BINARY, {}) == pytest.approx(float(direct.result()), abs=0.005)
    threshold = compute("ThresholdAtRecall", BINARY, {"recall": 0.7})
    assert np.mean(p[y == 1] > threshold) >= 0.7 > np.mean(p[y == 1] > threshold + 0.02)
    rate = compute("RecallAtFalsePositiveRate", BINARY, {"false_positive_rate": 0.3})
    best = max(np.mean(p[y == 1] > t) for t in p if np.mean(p[y == 0] > t) <= 0.3)
    assert rate == pytest.approx(best, abs=0.04)


def test_every_class_of_the_table_is_compared():
    compared = {*BY_COUNTS, *OTHERS, *KERAS, "AUCPrecisionRecall", "ThresholdAtRecall", "RecallAtFalsePositiveRate"}
    assert compared == set(CLASSES)


def test_every_class_of_tfma_and_keras_is_accepted_or_refused():
    known = {*metric_types.registered_metrics()} | {
        name for name, kind in vars(keras.metrics).items()
        if inspect.isclass(kind) and issubclass(kind, keras.metrics.Metric)
    }  # fmt: skip
    assert known - set(CLASSES) - set(REFUSED) == set()
    assert set(CLASSES) <= known
    assert not set(CLASSES) & set(REFUSED)
    assert {*KERAS_LACKS} == {name for name in CLASSES if not hasattr(keras.metrics, name)} | {"F1Score"}


@pytest.mark.parametrize("name", CLASSES)
def test_the_table_has_the_arguments_of_the_class(name):
    kind = metric_types.registered_metrics().get(name) or getattr(keras.metrics, name)
    if name in FROM_KERAS:
        kind = getattr(keras_metrics, f"Keras{name}")
    found = [
        each for each in list(inspect.signature(kind.__init__).parameters.values())[1:]
        if each.name not in ("name", "dtype") and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
    ]  # fmt: skip
    assert set(CLASSES[name].arguments) == {each.name for each in found}
    assert set(CLASSES[name].required) == {each.name for each in found if each.default is each.empty}


@pytest.mark.parametrize("name", CLASSES)
def test_a_threshold_of_every_class_finds_its_value(name):
    arguments = KERAS[name][1] if name in KERAS else {}
    arguments |= {"ThresholdAtRecall": {"recall": 0.5}}.get(name, {})
    arguments |= {"RecallAtFalsePositiveRate": {"false_positive_rate": 0.5}}.get(name, {})
    for part in [{}, {"output": "a"}, *([{"class_id": 1}] if CLASSES[name].kind == "binary" else [])]:
        settings = EvaluateSettings.model_validate(
            {
                "metrics": [{"name": "value", "class": name, "config": arguments} | part],
                "slices": {"s": {"features": ["x"]}},
                "thresholds": [{"metric": "value", "min": 0}, {"metric": "value", "slice": "s", "max": 9}],
            }
        )
        assert find_metric_faults(settings, "label") == []


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("R2Score", {}, "the class R2Score is not supported: it cannot be summed over batches; use SquaredPearson"),
        ("AUROC", {}, "the class AUROC is not supported: use AUC"),
        ("FBetaScore", {}, "use F1Score"),
        ("F1Score", {"average": "macro"}, "the class F1Score has no argument 'average'; it has thresholds, top_k"),
        ("BinaryCrossEntropy", {}, "use BinaryCrossentropy"),
        ("BinaryAcuracy", {}, "there is no metric class BinaryAcuracy; did you mean BinaryAccuracy?"),
        ("PrecisionAtRecall", {}, "the class PrecisionAtRecall needs 'recall'"),
        ("Precision", {"thresholds": [0.3, 0.6]}, "with several thresholds it gives several values"),
    ],
)
def test_what_does_not_work_is_refused_with_the_right_one(name, arguments, sentence):
    assert sentence in str(find_fault(name, arguments))


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("AUC", {"summation_method": "nothing"}, "fails: 'nothing' is not a valid AUCSummationMethod"),
        ("OneHotIoU", {"num_classes": 2, "target_class_ids": [5]}, "fails: Target class id 5"),
    ],
)
def test_a_wrong_value_of_an_argument_is_found_before_a_run(name, arguments, sentence):
    settings = EvaluateSettings.model_validate(
        {
            "metrics": [{"name": "value", "class": name, "config": arguments}],
            "slices": {},
            "thresholds": [{"metric": "value", "min": 0}],
        }
    )
    (fault,) = find_metric_faults(settings, "label")
    assert fault.startswith(f"evaluate.metrics: 'value', {name} with")
    assert sentence in fault
