"""Which way a metric with a threshold is better."""

import pytest
from pydantic import ValidationError

from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.settings import EvaluateSettings

OWN = {"name": "profit", "class": "PerRow", "module": "mine.metrics"}


def read(metric, **bound):
    content = {"metrics": [metric], "slices": {}, "thresholds": [{"metric": metric["name"], **bound}]}
    return EvaluateSettings.model_validate(content)


@pytest.mark.parametrize(
    ("metric", "bound", "better"),
    [
        ({"name": "mse", "class": "MeanSquaredError"}, {"change": {"absolute": 0.1}}, "lower"),
        ({"name": "mse", "class": "MeanSquaredError"}, {"min": 0.1}, "lower"),
        ({"name": "x", "class": "AUC"}, {"max": 0.99}, "higher"),
        ({"name": "x", "class": "AUC"}, {"change": {"absolute": -0.1}}, "higher"),
        ({"name": "x", "class": "AUC"}, {"max": 0.99, "better": "lower"}, "lower"),
        (OWN, {"max": 3.0}, "lower"),
        (OWN, {"min": 3.0}, "higher"),
        (OWN | {"name": "own_error"}, {"change": {"relative": 0.1}}, "lower"),
        (OWN, {"change": {"relative": -0.1}, "better": "higher"}, "higher"),
    ],
)
def test_a_class_says_which_way_it_is_better(metric, bound, better):
    assert read(metric, **bound).thresholds[0].better == better


def test_a_change_of_what_nobody_knows_is_asked_about():
    with pytest.raises(
        ValidationError, match=r"\[0\] bounds the change of 'profit', and neither.*add better: higher or"
    ):
        read(OWN, change={"absolute": -0.1})


def test_tfma_gets_the_direction():
    settings = read({"name": "mse", "class": "MeanSquaredError"}, change={"absolute": 0.1})
    assert "LOWER_IS_BETTER" in str(make_eval_config(settings, "label"))
