"""A metric of the user's own: it is checked before a run, computed in Beam, and part of the cache's key."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from hilir.components.evaluator.metric_check import find_metric_faults
from hilir.components.evaluator.results import read_metrics
from hilir.components.evaluator.settings import EvaluateSettings
from tests.unit.components.evaluator.evaluation import evaluate, make_model
from tests.unit.components.evaluator.test_evaluation import BINARY, X

SOURCE = '''
import keras
import tensorflow as tf
import tf_keras


class ProfitPerRow(tf_keras.metrics.Metric):
    """The gain of each row above the threshold that is right, less the cost of each that is not, per row."""

    def __init__(self, gain=1.0, cost=2.0, name="profit", **kwargs):
        super().__init__(name=name, **kwargs)
        self.gain, self.cost = gain, cost
        self.profit = self.add_weight("profit", initializer="zeros")
        self.rows = self.add_weight("rows", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        chosen = tf.cast(y_pred > 0.5, tf.float32)
        right = tf.cast(y_true, tf.float32)
        self.profit.assign_add(tf.reduce_sum(chosen * (self.gain * right - self.cost * (1 - right))))
        self.rows.assign_add(tf.cast(tf.shape(y_pred)[0], tf.float32))

    def result(self):
        return self.profit / self.rows

    def get_config(self):
        return super().get_config() | {"gain": self.gain, "cost": self.cost}


class Forgetful(ProfitPerRow):
    def get_config(self):
        return tf_keras.metrics.Metric.get_config(self)


class Largest(tf_keras.metrics.Metric):
    def __init__(self, name="largest", **kwargs):
        super().__init__(name=name, **kwargs)
        self.largest = self.add_weight("largest", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest.assign(tf.maximum(self.largest, tf.reduce_max(y_pred)))

    def result(self):
        return self.largest


class PerClass(ProfitPerRow):
    def result(self):
        return tf.stack([self.profit, self.rows])


class Unweighted(ProfitPerRow):
    def update_state(self, y_true, y_pred):
        super().update_state(y_true, y_pred)


class PerBatch(tf_keras.metrics.Mean):
    # As a loss of one's own often is: one number for the whole batch.
    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(tf.reduce_mean(tf.abs(y_pred - tf.cast(y_true, tf.float32))), sample_weight)


class OfKeras3(keras.metrics.Mean):
    pass
'''


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "workshop_profit").mkdir()
    (folder / "workshop_profit" / "__init__.py").touch()
    (folder / "workshop_profit" / "metrics.py").write_text(SOURCE)
    sys.path.insert(0, str(folder))
    yield folder / "workshop_profit"
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.startswith("workshop_profit")]:
        del sys.modules[name]


def settings(kind="ProfitPerRow", module="workshop_profit.metrics", **config):
    return {
        "metrics": [{"name": "profit", "module": module, "class": kind, "config": config}],
        "slices": {"kind": {"features": ["kind"]}},
        "thresholds": [{"metric": "profit", "min": 0.3}],
    }


def test_its_value_is_right_and_its_threshold_reads_it(tmp_path):
    model = make_model(tmp_path / "model", lambda row: {"p": row["x"]})
    found = evaluate(tmp_path / "run", settings(gain=1.0, cost=0.25), BINARY, model)
    label = np.array([row["label"] for row in BINARY])
    expected = np.mean((X > 0.5) * (label - 0.25 * (1 - label)))
    metrics = read_metrics(found.uri)
    assert metrics["overall"]["profit"] == pytest.approx(expected)
    assert set(metrics) == {"overall", "kind=k0", "kind=k1", "kind=k2"}
    assert found.blessed == (expected >= 0.3)


def test_a_mean_of_each_batch_is_that_of_all_rows(tmp_path):
    model = make_model(tmp_path / "model", lambda row: {"p": row["x"]})
    given = settings("PerBatch")
    assert find_metric_faults(EvaluateSettings.model_validate(given), "label") == []
    found = evaluate(tmp_path / "run", given, BINARY, model)
    expected = np.mean(np.abs(X - np.array([row["label"] for row in BINARY])))
    assert read_metrics(found.uri)["overall"]["profit"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (settings(module="workshop_profit.nothing"), "the module workshop_profit.nothing cannot be imported"),
        (settings("Loss"), "workshop_profit.metrics has no class Loss; correct 'class'"),
        (settings("OfKeras3"), "is not a metric; make it a subclass of tf_keras.metrics.Metric"),
        (settings(price=1.0), r"ProfitPerRow\(.*\) fails: .*not understood.*correct its .config."),
        (settings("Largest"), "Largest gives 0.9 over two batches in a row, and 1.6.* keep sums and counts as weights"),
        (settings("PerClass"), r"PerClass.result\(\) has 2 values, and a metric is one"),
        (settings("Unweighted"), "Unweighted.update_state needs a third argument; write sample_weight=None"),
        (settings("Forgetful", cost=3.0), r"Forgetful.get_config\(\) does not return the argument 'cost'"),
    ],
)
def test_what_would_fail_later_is_said_before_the_run(given, sentence):
    (fault,) = find_metric_faults(EvaluateSettings.model_validate(given), "label")
    assert fault.startswith("evaluate.metrics: 'profit'")
    with pytest.raises(ValueError, match=sentence):
        raise ValueError(fault)


def test_config_check_looks_for_it_in_the_source(capsys):
    from hilir.pipeline.config import load
    from hilir.pipeline.errors import ConfigError
    from hilir.pipeline.run.checks import require

    def check(kind):
        metrics = f"[{{name: auc, class: AUC}}, {{name: profit, module: workshop_profit.metrics, class: {kind}}}]"
        extra = ["evaluate.thresholds=[{metric: auc, min: 0}]", f"evaluate.metrics={metrics}"]
        require(load("configs/taxi.yaml", settings=extra).config)

    check("ProfitPerRow")
    with pytest.raises(ConfigError, match=r"evaluate.metrics 'profit': .*metrics.py has no class Profit; correct"):
        check("Profit")


def test_an_edit_changes_the_key_of_the_cache(package):
    from hilir.pipeline.config import load
    from hilir.pipeline.inputs import find_inputs

    metrics = "[{name: profit, module: workshop_profit.metrics, class: ProfitPerRow}]"
    extra = ["evaluate.thresholds=[{metric: profit, min: 0}]", f"evaluate.metrics={metrics}"]
    config = load("configs/taxi.yaml", settings=extra).config
    before = find_inputs(config).metric_code
    source = package / "metrics.py"
    source.write_text(source.read_text() + "\n# edited\n")
    after = find_inputs(config).metric_code
    assert list(before) == list(after) == ["workshop_profit.metrics"]
    assert before != after
