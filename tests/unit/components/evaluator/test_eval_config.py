import pytest
from google.protobuf import json_format

from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.settings import EvaluateSettings


def test_metrics_slices_and_thresholds_become_tfmas():
    settings = EvaluateSettings.model_validate(
        {
            "metrics": [{"name": "auc", "class": "AUC"}, {"name": "loss", "class": "BinaryCrossentropy"}],
            "slices": {"hour": {"features": ["hour"]}, "cash": {"values": {"payment": "Cash"}}},
            "thresholds": [
                {"metric": "auc", "min": 0.7, "change": {"absolute": -0.01}},
                {"metric": "auc", "slice": "cash", "min": 0.6},
                {"metric": "loss", "max": 0.5, "better": "lower", "change": {"relative": 0.1}},
            ],
        }
    )
    config = json_format.MessageToDict(make_eval_config(settings, "label"), preserving_proto_field_name=True)
    assert config["model_specs"] == [{"signature_name": "examples", "label_key": "label"}]
    assert config["slicing_specs"] == [{}, {"feature_keys": ["hour"]}, {"feature_values": {"payment": "Cash"}}]
    auc, loss = config["metrics_specs"][0]["metrics"]
    assert auc["per_slice_thresholds"] == [
        {
            "slicing_specs": [{}],
            "threshold": {
                "value_threshold": {"lower_bound": 0.7},
                "change_threshold": {"absolute": -0.01, "direction": "HIGHER_IS_BETTER"},
            },
        },
        {
            "slicing_specs": [{"feature_values": {"payment": "Cash"}}],
            "threshold": {"value_threshold": {"lower_bound": 0.6}},
        },
    ]
    assert loss["per_slice_thresholds"][0]["threshold"] == {
        "value_threshold": {"upper_bound": 0.5},
        "change_threshold": {"relative": 0.1, "direction": "LOWER_IS_BETTER"},
    }


def test_a_slice_that_names_nothing_is_refused():
    with pytest.raises(ValueError, match="names neither 'features' nor 'values'"):
        EvaluateSettings.model_validate(
            {
                "metrics": [{"name": "auc", "class": "AUC"}],
                "slices": {"all": {}},
                "thresholds": [{"metric": "auc", "min": 0}],
            }
        )


def parse(**changes):
    given = {"slices": {}, "metrics": [{"name": "auc", "class": "AUC"}], "thresholds": [{"metric": "auc", "min": 0}]}
    return EvaluateSettings.model_validate(given | changes)


def specs(settings):
    return [
        (list(spec.output_names), list(spec.binarize.class_ids.values), [metric.class_name for metric in spec.metrics])
        for spec in make_eval_config(settings, "label").metrics_specs
    ]


def test_metrics_that_read_the_same_part_are_together_and_plots_follow():
    settings = parse(
        output="a",
        metrics=[
            {"name": "auc", "class": "AUC"},
            {"name": "recall", "class": "Recall", "class_id": [0, 3]},
            {"name": "top", "class": "SparseCategoricalAccuracy", "output": "b"},
            {"name": "error", "class": "MeanSquaredError"},
            {"name": "rows", "class": "ExampleCount"},
        ],
    )
    assert specs(settings) == [
        (["a"], [], ["AUC", "KerasMeanSquaredError"]),
        (["a"], [0], ["Recall"]),
        (["a"], [3], ["Recall"]),
        (["b"], [], ["SparseCategoricalAccuracy"]),
        ([], [], ["ExampleCount"]),
        (["a"], [], ["CalibrationPlot", "ConfusionMatrixPlot"]),
        (["b"], [], ["MultiClassConfusionMatrixPlot"]),
    ]
    assert specs(parse(plots=False)) == [([], [], ["AUC"])]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metrics": [{"name": "auc", "class": "AUC"}] * 2}, "two metrics called 'auc', and one would overwrite"),
        ({"metrics": [{"name": "auc", "class": "AUROC"}]}, "the class AUROC is not supported: use AUC"),
        ({"metrics": [{"name": "auc", "class": "AUC", "top_k": 1, "k": 1}]}, "has top_k and k; give one of them"),
        (
            {"metrics": [{"name": "auc", "class": "AUC", "class_id": 1, "config": {"class_id": 2}}]},
            "has class_id 1 and config.class_id 2; give one of them",
        ),
        (
            {"metrics": [{"name": "auc", "class": "SparseCategoricalAccuracy", "class_id": 1}]},
            "the class SparseCategoricalAccuracy has no class_id, it looks at all classes; use Precision",
        ),
        ({"metrics": [{"name": "auc", "class": "AUC", "config": {"name": "b"}}]}, "has a 'name'"),
        (
            {"metrics": [{"name": "auc", "class": "AUC", "class_id": -1}]},
            "must be a whole number from 0, or a list of them, and is -1",
        ),
        ({"baseline": "skip"}, "Input should be 'compare' or 'skip_incompatible'"),
    ],
)
def test_what_is_refused_before_anything_runs(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse(**changes)
