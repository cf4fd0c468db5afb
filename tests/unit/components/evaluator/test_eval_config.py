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
    assert config["model_specs"] == [
        {"signature_name": "examples", "label_key": "label", "preprocessing_function_names": ["label"]}
    ]
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
