from __future__ import annotations

import math

import pytest

from hilir.components.errors import TrainingError
from hilir.components.trainer.data.batch_size import make_batching, scale_factor
from hilir.pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["train.strategy=all"], "train.strategy: must be 'auto', 'one_device', 'mirrored', 'multi_worker' or 'tpu'"),
        (
            ["train.strategy=tpu", "train.workers=2"],
            "workers is for the strategy multi_worker, and the strategy is tpu",
        ),
        (["train.devices=2"], "devices is for the strategy mirrored, and the strategy is auto"),
        (["train.gradient_clipping={}"], "give exactly one of norm, value and global_norm"),
        (["train.pruning={final_sparsity: 1.0, end: 5}"], "train.pruning.final_sparsity"),
        (["train.pruning={final_sparsity: 0.5, begin: 9, end: 5}"], r"end \(5\) must be above begin \(9\)"),
        (
            ["train.pruning={final_sparsity: 0.5, end: 5}", "train.quantization_aware=true"],
            "pruning and quantization_aware cannot be combined",
        ),
        (["train.checkpoint_steps=5", "train.steps_per_execution=2"], "must be a multiple of steps_per_execution"),
        (["train.batch_per=worker"], "train.batch_per: must be 'global' or 'replica'"),
    ],
)
def test_what_does_not_fit_together_is_refused(make_settings, settings, message):
    with pytest.raises(ConfigError, match=message):
        make_settings(*settings)


@pytest.mark.parametrize(
    ("per", "replicas", "size", "each"), [("global", 1, 32, 32), ("global", 4, 32, 8), ("replica", 4, 128, 32)]
)
def test_batch_sizes_are_global_or_per_replica(make_settings, per, replicas, size, each):
    batching = make_batching(make_settings("train.batch_size=32", f"train.batch_per={per}"), replicas)
    assert (batching.size, batching.per_replica) == (size, each)


def test_steps_count_the_last_smaller_batch(make_settings):
    assert make_batching(make_settings("train.batch_size=32"), 1).steps(65) == 3


def test_a_global_batch_must_divide(make_settings):
    with pytest.raises(TrainingError) as raised:
        make_batching(make_settings("train.batch_size=33"), 2)
    assert str(raised.value) == (
        "train.batch_size is 33, which cannot be divided among 2 replicas; set it to 32 or 34, "
        "or set train.batch_per to replica"
    )


@pytest.mark.parametrize(("rule", "factor"), [("null", 1.0), ("linear", 4.0), ("sqrt", 2.0)])
def test_the_learning_rate_scales_by_rule(make_settings, rule, factor):
    settings = make_settings("train.batch_per=replica", f"train.scale_learning_rate={rule}")
    assert math.isclose(scale_factor(settings, make_batching(settings, 4)), factor)


def test_a_global_batch_leaves_the_learning_rate(make_settings):
    settings = make_settings("train.scale_learning_rate=linear")
    assert scale_factor(settings, make_batching(settings, 4)) == 1.0
