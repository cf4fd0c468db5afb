from __future__ import annotations

import numpy as np
import pytest
import tf_keras as keras

from hilir.components.errors import TrainingError
from hilir.components.trainer.model.compilation import compile_arguments, recompile
from hilir.components.trainer.model.compression import compress, make_pruning_callbacks, measure_sparsity, strip
from models.taxi import features
from models.taxi.model import Hyperparameters, build_model

RANDOM = np.random.default_rng(1)
X = {name: RANDOM.random((256, 1), np.float32) for name in features.NUMERIC}
X |= {name: RANDOM.integers(0, size, (256, 1)) for name, size in features.SIZES.items()}
Y = RANDOM.integers(0, 2, (256, 1))


def train(settings):
    built = build_model(Hyperparameters())
    before = built.predict(X, verbose=0)["probability"]
    model = compress(built, settings)
    start = model.predict(X, verbose=0)["probability"]
    recompile(model, compile_arguments(built), settings, 1.0, padded=False)
    model.fit(X, Y, batch_size=32, epochs=4, verbose=0, callbacks=make_pruning_callbacks(settings))
    plain = build_model(Hyperparameters())
    strip(model, plain)
    return model, plain, float(np.abs(before - start).max())


def test_pruning_reaches_its_sparsity_and_is_stripped(make_settings):
    model, plain, change = train(make_settings("train.pruning={final_sparsity: 0.75, begin: 2, end: 20, every: 2}"))
    assert change == 0
    assert measure_sparsity(plain) == pytest.approx(0.75, abs=0.01)
    assert [weight.name for weight in plain.weights] == [w.name for w in build_model(Hyperparameters()).weights]
    np.testing.assert_allclose(
        plain.predict(X, verbose=0)["probability"], model.predict(X, verbose=0)["probability"], atol=1e-6
    )


def test_quantization_aware_training_starts_from_the_weights_and_is_stripped(make_settings):
    model, plain, change = train(make_settings("train.quantization_aware=true"))
    assert change < 0.2
    assert any("quant" in layer.name for layer in model.layers)
    assert not any("quant" in weight.name for weight in plain.weights)
    difference = plain.predict(X, verbose=0)["probability"] - model.predict(X, verbose=0)["probability"]
    assert np.abs(difference).max() < 0.1


def test_a_model_without_such_layers_is_refused(make_settings):
    given = keras.Input((2,), name="x")
    model = keras.Model({"x": given}, {"y": keras.layers.ReLU()(given)}, name="bare")
    with pytest.raises(TrainingError, match=r"train\.pruning: the model 'bare' has no layer of the kinds Dense"):
        compress(model, make_settings("train.pruning={final_sparsity: 0.5, end: 5}"))
