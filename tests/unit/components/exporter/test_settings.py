from __future__ import annotations

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.errors import ConfigError


def fault(*settings):
    with pytest.raises(ConfigError) as error:
        load("configs/digits.yaml", settings=settings)
    return str(error.value)


def test_every_variant_has_bounds_by_default():
    found = load("configs/taxi.yaml", ["configs/overlays/export.yaml"]).config.export
    assert len(found.tflite.variants) == 5
    assert len(found.tfjs.variants) == 3


def test_nothing_is_exported_by_default():
    found = load("configs/taxi.yaml").config.export
    assert found.tflite.variants == []
    assert found.tfjs.variants == []


def test_faults_are_explained():
    assert "export.tflite.variants" in fault("export.tflite.variants=[int4]")
    assert "names the variant 'int8' twice" in fault("export.tflite.variants=[int8,int8]")
    assert "not among evaluate.metrics" in fault("export.metric=f1")
    assert "export.tflite.bounds.int8.agreement" in fault("export.tflite.bounds.int8.agreement=1.5")


def test_the_metric_of_the_first_threshold_is_compared():
    from hilir.components.exporter.parity import choose_metric

    config = load("configs/digits.yaml").config
    assert choose_metric(config.export, config.evaluate).name == "accuracy"
    config = load("configs/digits.yaml", settings=["export.metric=loss"]).config
    assert choose_metric(config.export, config.evaluate).kind == "SparseCategoricalCrossentropy"
