"""A value of the wrong form is answered with the form that the key has."""

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.config.documented_keys import base_path, read_keys
from hilir.pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("evaluate.slices=[[self]]", "is a list, and has to be keys and values; its form: name: {features: [column]}"),
        ("evaluate.slices={by: self}", ".by: must be keys and values, and is 'self'; its form: name: {features: [col"),
        ("evaluate.metrics=[auc]", "[0]: must be keys and values, and is 'auc'; its form: [{name: auc, class: AUC, "),
        ("evaluate.thresholds={auc: 1}", "is keys and values, and has to be a list; its form: [{metric: auc, slice: "),
        ("export.tflite=float32", "and is 'float32'; the keys here are bounds, calibration, inputs, variants"),
        ("data.split=time", "must be keys and values, and is 'time'; the keys here are by, equal_rows, salt, time"),
        (
            "train.class_weight=[1]",
            "must be 'balanced' or keys and values, and is [1]; its form: balanced, or {class: ",
        ),
    ],
)
def test_the_form_follows_the_fault(setting, message):
    with pytest.raises(ConfigError) as caught:
        load("configs/taxi.yaml", settings=[setting])
    key = setting.partition("=")[0]
    assert str(caught.value).startswith(f"--set {key}: {key}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value), "one fault, one line"


def test_every_key_that_holds_a_list_or_a_mapping_says_its_form():
    keys = read_keys(base_path().read_text(encoding="utf-8"))
    silent = [key.path for key in keys if key.default in ("[]", "{}") and not key.comment]
    assert not silent
