"""The metric classes that work here, with their arguments, and the nearest right one for those that do not.

A table, so that `hilir config check` knows them without importing TensorFlow; a test compares it with the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Kind = Literal["binary", "classes", "any"]


@dataclass(frozen=True)
class MetricClass:
    """What is known of a class.

    `kind` says what it looks at: scores of one class each (`binary`), the scores of all classes together (`classes`),
    or numbers (`any`). With `one_threshold` a list of thresholds would give a list of values.
    """

    kind: Kind
    arguments: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    one_threshold: bool = False


_CONFUSION = MetricClass("binary", ("thresholds", "top_k", "class_id"), one_threshold=True)
_AT_POINT = ("num_thresholds", "class_id", "top_k")

CLASSES: dict[str, MetricClass] = {
    **dict.fromkeys(
        [
            "BalancedAccuracy", "DiagnosticOddsRatio", "F1Score", "FN", "FNR", "FP", "FPR", "FallOut",
            "FalseDiscoveryRate", "FalseNegatives", "FalseOmissionRate", "FalsePositives", "FowlkesMallowsIndex",
            "Informedness", "Markedness", "MatthewsCorrelationCoefficient", "MissRate", "NPV",
            "NegativeLikelihoodRatio", "NegativePredictiveValue", "PPV", "PositiveLikelihoodRatio", "Precision",
            "PredictedPositiveRate", "Prevalence", "PrevalenceThreshold", "Recall", "Specificity", "TN", "TNR", "TP",
            "TPR", "ThreatScore", "TrueNegatives", "TruePositives",
        ],
        _CONFUSION,
    ),
    "AUC": MetricClass("binary", ("num_thresholds", "curve", "summation_method", "thresholds", "top_k", "class_id")),
    "AUCPrecisionRecall": MetricClass(
        "binary", ("num_thresholds", "summation_method", "thresholds", "top_k", "class_id")
    ),
    "BinaryAccuracy": MetricClass("binary", ("threshold", "top_k", "class_id")),
    "BinaryCrossentropy": MetricClass("binary", ("from_logits", "label_smoothing")),
    "BinaryIoU": MetricClass("binary", ("target_class_ids", "threshold")),
    "CoefficientOfDiscrimination": MetricClass("binary"),
    "MaxRecall": MetricClass("binary", ("top_k", "class_id")),
    "PrecisionAtRecall": MetricClass("binary", ("recall", "thresholds", *_AT_POINT), ("recall",)),
    "RecallAtFalsePositiveRate": MetricClass(
        "binary", ("false_positive_rate", *_AT_POINT), ("false_positive_rate",)
    ),
    "RecallAtPrecision": MetricClass("binary", ("precision", *_AT_POINT), ("precision",)),
    "SensitivityAtSpecificity": MetricClass("binary", ("specificity", *_AT_POINT), ("specificity",)),
    "SpecificityAtSensitivity": MetricClass("binary", ("sensitivity", *_AT_POINT), ("sensitivity",)),
    "ThresholdAtRecall": MetricClass("binary", ("recall", "thresholds", *_AT_POINT), ("recall",)),
    "CategoricalAccuracy": MetricClass("classes"),
    "CategoricalCrossentropy": MetricClass("classes", ("from_logits", "label_smoothing", "axis")),
    "CategoricalHinge": MetricClass("classes"),
    "OneHotIoU": MetricClass(
        "classes",
        ("num_classes", "target_class_ids", "ignore_class", "sparse_y_pred", "axis"),
        ("num_classes", "target_class_ids"),
    ),
    "OneHotMeanIoU": MetricClass("classes", ("num_classes", "ignore_class", "sparse_y_pred", "axis"), ("num_classes",)),
    "SparseCategoricalAccuracy": MetricClass("classes"),
    "SparseCategoricalCrossentropy": MetricClass("classes", ("from_logits", "ignore_class", "axis")),
    "SparseTopKCategoricalAccuracy": MetricClass("classes", ("k",)),
    "TopKCategoricalAccuracy": MetricClass("classes", ("k",)),
    **dict.fromkeys(
        [
            "Calibration", "ExampleCount", "Hinge", "KLDivergence", "LogCoshError", "MeanAbsoluteError",
            "MeanAbsolutePercentageError", "MeanLabel", "MeanPrediction", "MeanSquaredError",
            "MeanSquaredLogarithmicError", "Poisson", "RootMeanSquaredError", "SquaredHinge",
            "SquaredPearsonCorrelation", "WeightedExampleCount",
        ],
        MetricClass("any"),
    ),
    "CosineSimilarity": MetricClass("any", ("axis",)),
}  # fmt: skip
"""By class name, which is TFMA's where TFMA and Keras have the same."""

COUNTS = ("ExampleCount", "WeightedExampleCount")
"""Classes that count rows, whatever the output."""

CROSSENTROPIES = ("CategoricalCrossentropy", "SparseCategoricalCrossentropy")
"""Classes over the scores of all classes that take their logarithm."""

FROM_KERAS = (
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
)
"""Classes that TFMA has too, and computes wrongly when the rows come in more than one bundle."""

KERAS_LACKS = (
    "AUCPrecisionRecall", "BalancedAccuracy", "Calibration", "CoefficientOfDiscrimination", "DiagnosticOddsRatio",
    "ExampleCount", "F1Score", "FN", "FNR", "FP", "FPR", "FallOut", "FalseDiscoveryRate", "FalseOmissionRate",
    "FowlkesMallowsIndex", "Informedness", "Markedness", "MatthewsCorrelationCoefficient", "MaxRecall", "MeanLabel",
    "MeanPrediction", "MissRate", "NPV", "NegativeLikelihoodRatio", "NegativePredictiveValue", "PPV",
    "PositiveLikelihoodRatio", "PredictedPositiveRate", "Prevalence", "PrevalenceThreshold",
    "RecallAtFalsePositiveRate", "Specificity", "SquaredPearsonCorrelation", "TN", "TNR", "TP", "TPR", "ThreatScore",
    "ThresholdAtRecall", "WeightedExampleCount",
)  # fmt: skip
"""Classes of TFMA that Keras has not, or not as one value: exports, which Keras compares, cannot go by them."""

_PLOT = "it is a plot; evaluate.plots computes the plots, remove it from the metrics"
_TWO_MODELS = "it compares two models, and the first run has one; bound the 'change' of another metric instead"
_OTHER_TASK = "it is for object detection, segmentation or text, which the Evaluator does not support"
_SEVERAL = "it gives several values, and a metric is one; name one of class Precision, Recall or MeanLabel"

REFUSED: dict[str, str] = {
    "R2Score": "it cannot be summed over batches; use SquaredPearsonCorrelation or RootMeanSquaredError",
    "AUROC": "use AUC",
    "ROCAUC": "use AUC",
    "AUPRC": "use AUCPrecisionRecall",
    "FBetaScore": "it gives a value for each class; use F1Score, with class_id for one class",
    "Accuracy": "it compares scores with labels for equality; use BinaryAccuracy for one score a row, "
    "SparseCategoricalAccuracy for a score per class",
    "BinaryCrossEntropy": "it is infinite where a score is 0 or 1; use BinaryCrossentropy",
    "CategoricalCrossEntropy": "it changes the scores that the other metrics see; use SparseCategoricalCrossentropy "
    "for whole-number labels, CategoricalCrossentropy for one-hot ones",
    "IoU": "it wants class numbers, not scores; use BinaryIoU or OneHotIoU",
    "MeanIoU": "it wants class numbers, not scores; use BinaryIoU or OneHotMeanIoU",
    "ExactMatch": "it compares scores with labels for equality; use BinaryAccuracy or SparseCategoricalAccuracy",
    "MeanRelativeError": "it needs a number for each row; use MeanAbsolutePercentageError",
    "Mean": "it does not compare with the label; use MeanPrediction or MeanLabel",
    "Sum": "it does not compare with the label; use MeanPrediction or MeanLabel",
    "MeanTensor": "it does not compare with the label; use MeanPrediction or MeanLabel",
    "MeanMetricWrapper": "it wraps a function; write a class and name its 'module'",
    "Metric": "it is the base class; write a subclass and name its 'module'",
    "RelativeCoefficientOfDiscrimination": "its thresholds do not find its value; use CoefficientOfDiscrimination",
    "NDCG": "it needs groups of rows, which the Evaluator does not support; use AUC or MeanAbsoluteError",
    "MinLabelPosition": "it needs groups of rows, which the Evaluator does not support; use AUC",
    "QueryStatistics": "it needs groups of rows, which the Evaluator does not support; use ExampleCount",
    "Huber": "it is a loss; use LogCoshError",
    "LogCosh": "it is a loss; use LogCoshError",
    "BinaryFocalCrossentropy": "it is a loss; use BinaryCrossentropy",
    "CategoricalFocalCrossentropy": "it is a loss; use CategoricalCrossentropy",
    **dict.fromkeys(
        ["CalibrationPlot", "ConfusionMatrixPlot", "MultiClassConfusionMatrixPlot", "MultiLabelConfusionMatrixPlot",
         "ScoreDistributionPlot"],
        _PLOT,
    ),
    **dict.fromkeys(
        ["BooleanFlipRates", "NegToNegFlipRate", "NegToPosFlipRate", "PosToNegFlipRate", "PosToPosFlipRate",
         "SymmetricFlipRate", "SymmetricPredictionDifference", "ModelCosineSimilarity"],
        _TWO_MODELS,
    ),
    **dict.fromkeys(
        ["ConfusionMatrixAtThresholds", "MultiClassConfusionMatrixAtThresholds", "FalseNegativeFeatureSampler",
         "FalsePositiveFeatureSampler", "FixedSizeSample", "MeanAttributions", "MeanAbsoluteAttributions",
         "TotalAttributions", "TotalAbsoluteAttributions"],
        _SEVERAL,
    ),
    **dict.fromkeys(
        ["Bleu", "Rouge", "SetMatchPrecision", "SetMatchRecall", "COCOAveragePrecision", "COCOAverageRecall",
         "COCOMeanAveragePrecision", "COCOMeanAverageRecall", "ObjectDetectionConfusionMatrixPlot",
         "ObjectDetectionMaxRecall", "ObjectDetectionPrecision", "ObjectDetectionPrecisionAtRecall",
         "ObjectDetectionRecall", "ObjectDetectionThresholdAtRecall", "SemanticSegmentationConfusionMatrix",
         "SemanticSegmentationFalsePositive", "SemanticSegmentationTruePositive"],
        _OTHER_TASK,
    ),
}  # fmt: skip
"""Why a class of TFMA or Keras is refused, and what to write instead."""


def find_fault(name: str, arguments: dict[str, object]) -> str | None:
    """Returns why a class with these arguments is refused, None where it is fine.

    Args:
        name: the class.
        arguments: its `config`, without the name.
    """
    if name in REFUSED:
        return f"the class {name} is not supported: {REFUSED[name]}"
    if name not in CLASSES:
        close = get_close_matches(name, CLASSES, n=1, cutoff=0.6)
        remedy = f"did you mean {close[0]}?" if close else f"the classes are {', '.join(sorted(CLASSES))};"
        return f"there is no metric class {name}; {remedy} A class of your own needs its 'module'"
    known = CLASSES[name]
    unknown = [argument for argument in arguments if argument not in known.arguments]
    if unknown:
        has = f"it has {', '.join(known.arguments)}" if known.arguments else "it has none"
        return f"config: the class {name} has no argument '{unknown[0]}'; {has}"
    missing = [argument for argument in known.required if argument not in arguments]
    if missing:
        return f"config: the class {name} needs '{missing[0]}'"
    thresholds = arguments.get("thresholds")
    if known.one_threshold and isinstance(thresholds, list) and len(thresholds) != 1:
        return "config: with several thresholds it gives several values; give one, and one metric for each"
    return None
