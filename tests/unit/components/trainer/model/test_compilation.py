from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from hilir.components.errors import TrainingError
from hilir.components.trainer.model.compilation import compile_arguments, make_optimizer, recompile
from hilir.components.trainer.model.compression import compress
from hilir.components.trainer.model.learning_rate import Scaled, Warmup, make_schedule
from hilir.components.trainer.model.replica_metrics import weigh_metrics
from hilir.components.trainer.settings import LearningRate
from models.digits.model import Hyperparameters, build_model

X = np.random.default_rng(1).random((50, 8, 8), np.float32)
Y = np.random.default_rng(2).integers(0, 10, (50, 1))


def trained(settings, factor=1.0, batch=25, epochs=2):
    keras.utils.set_random_seed(3)
    model = build_model(Hyperparameters(hidden_units=(8,)))
    recompile(model, compile_arguments(model), settings, factor, padded=False)
    history = model.fit({"image": X}, Y, batch_size=batch, epochs=epochs, verbose=0, shuffle=False).history
    return model, history


@pytest.mark.parametrize("parts", [2, 3])
def test_accumulation_gives_the_same_steps(make_settings, parts):
    whole, figures = trained(make_settings())
    in_parts, same = trained(make_settings(f"train.gradient_accumulation={parts}"))
    for one, other in zip(whole.get_weights(), in_parts.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert int(in_parts.optimizer.iterations) == 4
    assert same["accuracy"] == pytest.approx(figures["accuracy"])


def test_accumulation_works_with_loss_scaling(make_settings):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model, history = trained(make_settings("train.gradient_accumulation=2", "train.precision=mixed_float16"))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert isinstance(model.optimizer, keras.mixed_precision.LossScaleOptimizer)
    assert model.output["probabilities"].dtype == "float32"
    assert history["loss"][1] < history["loss"][0] * 1.5


def test_clipping_bounds_the_step(make_settings):
    settings = make_settings("train.gradient_clipping={global_norm: 0.001}")
    keras.utils.set_random_seed(3)
    before = build_model(Hyperparameters(hidden_units=(8,))).get_weights()
    model, _ = trained(settings, batch=50, epochs=1)
    moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(before, model.get_weights(), strict=True)))
    assert moved == pytest.approx(0.001 * 0.05, rel=1e-2)


def test_steps_per_execution_and_jit_are_set_and_change_nothing(make_settings):
    plain, _ = trained(make_settings())
    model, _ = trained(make_settings("train.steps_per_execution=2", "train.jit_compile=true"))
    assert model.jit_compile
    assert int(model._steps_per_execution) == 2
    for one, other in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_factor_scales_a_number_and_a_schedule(make_settings):
    assert float(make_optimizer(keras.optimizers.SGD(0.1), make_settings(), 4.0).learning_rate) == pytest.approx(0.4)
    own = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    optimizer = make_optimizer(own, make_settings(), 4.0)
    assert isinstance(optimizer._learning_rate, Scaled)
    assert float(optimizer._learning_rate(10)) == pytest.approx(0.2)


def test_an_optimizer_may_be_given_by_name(make_settings):
    assert isinstance(make_optimizer("adam", make_settings(), 1.0), keras.optimizers.Adam)


def test_metrics_count_only_real_rows_with_weights(make_settings):
    weights = np.concatenate([np.full(40, 1.25), np.zeros(10)])
    model, _ = trained(make_settings("train.learning_rate={schedule: constant, initial: 1.0e-12}"))
    recompile(model, compile_arguments(model), make_settings(), 1.0, padded=True)
    figures = model.evaluate({"image": X}, Y, sample_weight=weights, batch_size=50, verbose=0, return_dict=True)
    predicted = model.predict({"image": X}, verbose=0)["probabilities"].argmax(-1)
    assert figures["accuracy"] == pytest.approx((predicted == Y[:, 0])[:40].mean())
    assert figures["loss"] == pytest.approx(
        keras.losses.sparse_categorical_crossentropy(
            Y[:40], model.predict({"image": X}, verbose=0)["probabilities"][:40]
        )
        .numpy()
        .mean(),
        rel=1e-5,
    )


def test_a_batch_with_fewer_rows_than_parts_leaves_statistics_whole(make_settings):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    settings = make_settings("train.gradient_accumulation=8")
    recompile(model, compile_arguments(model), settings, 1.0, padded=False)
    history = model.fit(np.ones((23, 4), np.float32), np.ones(23), batch_size=20, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


def test_a_training_step_of_the_users_own_is_not_replaced(make_settings):
    x = keras.Input((4,))
    model = OwnStep(x, keras.layers.Dense(1)(x), name="own")
    model.compile("sgd", "mse")
    with pytest.raises(TrainingError, match="gradient_accumulation is 2, and the model 'own' has a train_step of its"):
        recompile(model, compile_arguments(model), make_settings("train.gradient_accumulation=2"), 1.0, padded=False)
    with pytest.raises(
        TrainingError, match=r"train\.quantization_aware: the model 'own' has its own train_step, which"
    ):
        compress(model, make_settings("train.quantization_aware=true"))


@pytest.mark.parametrize(
    ("metrics", "weighted", "joined"),
    [
        (["a"], None, ["a"]),
        (None, None, None),
        ("a", [], "a"),
        (None, ["b"], ["b"]),
        (["a"], "b", ["a", "b"]),
        ({"x": "a", "y": ["c"]}, {"x": ["b"]}, {"x": ["a", "b"], "y": ["c"]}),
        ([["a"], None], [None, "b"], [["a"], ["b"]]),
    ],
)
def test_all_metrics_are_weighted_where_there_is_padding(metrics, weighted, joined):
    found = weigh_metrics({"metrics": metrics, "weighted_metrics": weighted})
    assert (found["metrics"], found["weighted_metrics"] or None) == (None, joined)


def test_metrics_of_two_forms_are_refused():
    with pytest.raises(TrainingError, match="one is a dictionary by outputs"):
        weigh_metrics({"metrics": ["a"], "weighted_metrics": {"x": ["b"]}})


@pytest.mark.parametrize(
    ("settings", "step", "rate"),
    [
        ({"schedule": "constant", "initial": 0.2}, 7, 0.2),
        ({"schedule": "constant", "initial": 0.2, "warmup_steps": 10}, 5, 0.1),
        ({"schedule": "constant", "initial": 0.2, "warmup_steps": 10}, 50, 0.2),
        (
            {"schedule": "exponential", "initial": 0.2, "decay_steps": 10, "decay_rate": 0.5, "warmup_steps": 10},
            20,
            0.1,
        ),
        ({"schedule": "cosine", "initial": 0.2, "decay_steps": 10}, 5, 0.1),
        ({"schedule": "cosine", "initial": 0.2, "decay_steps": 10, "warmup_steps": 4}, 9, 0.1),
        ({"schedule": "cosine", "initial": 0.2, "decay_steps": 10, "warmup_steps": 4}, 2, 0.1),
    ],
)
def test_schedules(settings, step, rate):
    schedule = make_schedule(LearningRate(**settings))
    value = schedule(step) if callable(schedule) else schedule
    assert float(value) == pytest.approx(rate)


def test_a_schedule_survives_the_optimizers_configuration():
    schedule = Scaled(Warmup(keras.optimizers.schedules.CosineDecay(0.2, 10), 4), 2.0)
    optimizer = keras.optimizers.SGD(schedule)
    copy = keras.optimizers.SGD.from_config(optimizer.get_config())
    assert float(copy._learning_rate(tf.constant(9))) == pytest.approx(0.2)


class Halved(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that is not registered with Keras."""

    def __call__(self, step):
        return 0.5 / (1.0 + tf.cast(step, tf.float32))


@pytest.mark.parametrize("kind", [keras.optimizers.SGD, keras.optimizers.legacy.SGD])
def test_a_schedule_of_the_users_own_is_taken_as_it_is(make_settings, kind):
    schedule = Halved()
    made = make_optimizer(kind(schedule), make_settings(), 2.0)
    variable = tf.Variable([1.0])
    made.apply_gradients([(tf.constant([1.0]), variable)])
    assert variable.numpy() == pytest.approx([0.0])
    made.apply_gradients([(tf.constant([1.0]), variable)])
    assert variable.numpy() == pytest.approx([-0.5])
