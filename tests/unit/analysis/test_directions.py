import pytest

from hilir.analysis.directions import find_direction
from hilir.components.evaluator.metric_classes import CLASSES


def test_every_class_of_tfma_and_keras_has_one():
    assert [name for name in CLASSES if find_direction(name) is None] == []
    lower = {name for name in CLASSES if find_direction(name) == -1}
    assert lower == {
        "FN", "FNR", "FP", "FPR", "FallOut", "FalseDiscoveryRate", "FalseNegatives", "FalseOmissionRate",
        "FalsePositives", "MissRate", "NegativeLikelihoodRatio", "BinaryCrossentropy", "CategoricalCrossentropy",
        "SparseCategoricalCrossentropy", "CategoricalHinge", "Hinge", "SquaredHinge", "KLDivergence", "LogCoshError",
        "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError",
        "Poisson", "RootMeanSquaredError",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_loss", -1), ("val_mae", -1), ("click_auc_1", 1), ("val_f1", 1), ("val_f1_score", 1), ("val_r2", 1),
        ("val_recall_at_10", 1), ("root_mean_squared_error", -1), ("false_positives", -1), ("true_positives", 1),
        ("mean_io_u", 1), ("BinaryIoU", 1), ("hit_rate", 1), ("error_rate", -1), ("cosine_similarity", 1),
        ("row_count", 0), ("MeanPrediction", 0),
        ("val_caught", None), ("profit", None), ("lr", None), ("ratio_used", None), ("loss_accuracy", None),
        ("trace", None), ("forecast", None),
    ],
)  # fmt: skip
def test_names_say_it_or_do_not(name, direction):
    assert find_direction(name) == direction
