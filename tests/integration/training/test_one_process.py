"""Trainings in this process: determinism, resuming, warm start, precision, compression, the TPU branch."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from hilir.components.errors import TrainingError
from hilir.components.trainer.fit import checkpoint_directory
from hilir.components.trainer.state.preemption import Preempted
from hilir.components.trainer.state.weights import run_dir_of
from hilir.components.trainer.train import train
from hilir.pipeline.run.session import stopped_by_sigterm

PLAIN = "train.hyperparameters.own_step=false"


class At(keras.callbacks.Callback):
    """Does something once after so many steps of training."""

    def __init__(self, steps, action):
        super().__init__()
        self._left = steps
        self._action = action

    def on_train_batch_end(self, batch, logs=None):
        self._left -= 1
        if self._left == 0:
            self._action()


def interrupt():
    raise KeyboardInterrupt


def check_same(first, second, tolerance=1e-6):
    for one, other in zip(first.weights(), second.weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


def epochs(site):
    return [event for event in site.events if "epoch" in event]


def test_the_same_seed_gives_the_same_figures(site, alone):
    train(site.job(), "one_device")
    check_same(site, alone, 0.0)


def test_an_interrupted_training_goes_on_after_its_last_epoch(site, alone):
    job = site.job()
    with pytest.raises(KeyboardInterrupt):
        train(job, "one_device", callbacks=[At(10, interrupt)])
    assert Path(checkpoint_directory(job)).exists()
    train(job, "one_device")
    check_same(site, alone)
    assert {"resumed": "epoch 2 step 0"} in site.events
    assert not Path(checkpoint_directory(job)).exists()


def test_checkpoints_between_epochs_lose_fewer_steps(site, alone):
    job = site.job("train.checkpoint_steps=2")
    with pytest.raises(KeyboardInterrupt):
        train(job, "one_device", callbacks=[At(12, interrupt)])
    train(job, "one_device")
    assert {"resumed": "epoch 2 step 4"} in site.events
    check_same(site, alone)


def test_sigterm_saves_where_it_is_and_exits_with_143(site, alone):
    job = site.job()
    with pytest.raises(Preempted) as raised:
        train(job, "one_device", callbacks=[At(10, lambda: signal.raise_signal(signal.SIGTERM))])
    assert raised.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    train(job, "one_device")
    assert {"resumed": "epoch 2 step 4"} in site.events
    assert all(sum(rows.values()) == len(rows) for rows in site.steps().values())
    check_same(site, alone)


def test_sigterm_saves_before_the_pipelines_own_handler_ends_the_run(site):
    job = site.job()
    with stopped_by_sigterm(), pytest.raises(KeyboardInterrupt):
        train(job, "one_device", callbacks=[At(10, lambda: signal.raise_signal(signal.SIGTERM))])
    site.events.clear()
    with stopped_by_sigterm(), pytest.raises(KeyboardInterrupt):
        # In the last step there is no checkpoint to make.
        train(job, "one_device", callbacks=[At(24, lambda: signal.raise_signal(signal.SIGTERM))])
    assert {"resumed": "epoch 2 step 4"} in site.events


def test_legacy_optimizers_are_resumed(site):
    job = site.job("train.hyperparameters.legacy=true")
    with pytest.raises(Preempted):
        train(job, "one_device", callbacks=[At(10, lambda: signal.raise_signal(signal.SIGTERM))])
    train(job, "one_device")
    assert {"resumed": "epoch 2 step 4"} in site.events


def test_early_stopping_goes_on_too(site, tmp_path):
    settings = [
        "train.epochs=9",
        "train.early_stopping={monitor: val_accuracy, patience: 3}",
        "train.learning_rate={schedule: constant, initial: 1.0e-9}",
    ]
    job = site.job(*settings)
    train(site.job(*settings, run_dir=str(tmp_path / "other/model_run/1")), "one_device")
    whole = epochs(site)
    assert len(whole) == 4
    site.events.clear()
    with pytest.raises(KeyboardInterrupt):
        train(job, "one_device", callbacks=[At(7 * 3 + 1, interrupt)])
    train(job, "one_device")
    assert epochs(site) == whole


def test_a_crash_between_training_and_export_trains_no_further(site, monkeypatch):
    job = site.job("train.early_stopping={monitor: val_accuracy, patience: 1}", "train.epochs=9")
    with monkeypatch.context() as patch:
        patch.setattr("hilir.components.trainer.train.export", lambda *_: interrupt())
        with pytest.raises(KeyboardInterrupt):
            train(job, "one_device")
    count = len(site.steps())
    train(job, "one_device")
    assert len(site.steps()) == count
    assert Path(job.model_dir, "saved_model.pb").exists()


def test_another_configuration_does_not_take_the_checkpoint(site):
    with pytest.raises(KeyboardInterrupt):
        train(site.job(), "one_device", callbacks=[At(10, interrupt)])
    train(site.job("train.seed=2"), "one_device")
    assert not [event for event in site.events if "resumed" in event]


def test_a_warm_start_goes_on_from_the_base_model(site, alone):
    base = alone.job().model_dir
    for name in ("weights", "weights_and_optimizer"):
        site.events.clear()
        train(site.job(f"train.warm_start={name}", "train.epochs=1", base_model=base), "one_device")
        assert {"warm start": base} in site.events
        (figures,) = epochs(site)
        assert figures["loss"] < 0.35
    with np.load(site.root / "Trainer/model_run/1/weights/optimizer.npz") as arrays:
        assert int(arrays["arr_0"]) == (site.epochs + 1) * site.steps_per_epoch
    hyperparameters = json.loads((site.root / "Trainer/model_run/1/weights/hyperparameters.json").read_text())
    assert hyperparameters["folder"] == str(site.ids)


def test_without_a_base_model_the_first_run_is_cold(site, alone):
    train(site.job("train.warm_start=weights"), "one_device")
    check_same(site, alone, 0.0)


@pytest.mark.parametrize("base", ["/a/Trainer/model/12/Format-Serving", "gs://b/1/job/Trainer_3/model/Format-Serving"])
def test_the_run_beside_a_model_is_found(base):
    assert run_dir_of(base) == base.removesuffix("/Format-Serving").replace("/model", "/model_run")


def test_a_model_from_elsewhere_is_no_base(site):
    with pytest.raises(TrainingError, match="was not written by the Trainer"):
        train(site.job("train.warm_start=weights", base_model="/models/7"), "one_device")
    with pytest.raises(
        TrainingError, match=r"the weights of the base model are not there; set train\.warm_start to never"
    ):
        train(site.job("train.warm_start=weights", base_model="/none/model/7/Format-Serving"), "one_device")


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_exports_float32(site, precision):
    train(site.job(f"train.precision={precision}", "train.epochs=2"), "one_device")
    assert keras.mixed_precision.global_policy().name == "float32"
    exported = tf.saved_model.load(site.job().model_dir)
    assert {variable.dtype for variable in exported.variables_of_model} == {tf.float32}
    function = exported.signatures["serving_default"].graph
    half = (tf.float16, tf.bfloat16)
    assert not [op.name for op in function.get_operations() if any(out.dtype in half for out in op.outputs)]


def test_pruning_is_stripped_and_its_sparsity_reported(site):
    train(site.job("train.pruning={final_sparsity: 0.5, begin: 0, end: 20, every: 2}", PLAIN), "one_device")
    (reported,) = [event["sparsity"] for event in site.events if "sparsity" in event]
    assert reported == pytest.approx(0.5, abs=0.03)
    exported = tf.saved_model.load(site.job().model_dir)
    kernels = [v.numpy() for v in exported.variables_of_model if len(v.shape) == 2]
    assert len(exported.variables_of_model) == 4
    assert np.mean(np.concatenate([k.ravel() for k in kernels]) == 0) == pytest.approx(reported, abs=1e-4)


def test_quantization_aware_training_is_stripped(site):
    train(site.job("train.quantization_aware=true", PLAIN), "one_device")
    exported = tf.saved_model.load(site.job().model_dir)
    assert len(exported.variables_of_model) == 4
    assert epochs(site)[-1]["val_accuracy"] > 0.8


def test_the_tpu_branch_with_a_stubbed_resolver(site, alone, monkeypatch):
    calls = []
    monkeypatch.setattr(
        tf.distribute.cluster_resolver, "TPUClusterResolver", lambda tpu: calls.append(f"resolve {tpu}") or tpu
    )
    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", lambda r: calls.append(f"connect {r}"))
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", lambda r: calls.append(f"initialize {r}"))
    monkeypatch.setattr(
        tf.distribute,
        "TPUStrategy",
        lambda r: calls.append(f"strategy {r}") or tf.distribute.OneDeviceStrategy("CPU:0"),
    )
    train(site.job("train.strategy=tpu", "train.precision=float32"), "tpu")
    assert calls == ["resolve local", "initialize local", "strategy local"]
    check_same(site, alone)
    calls.clear()
    train(site.job("train.strategy=tpu", "train.tpu=grpc://10.0.0.2:8470", "train.epochs=1"), "tpu")
    assert calls[:2] == ["resolve grpc://10.0.0.2:8470", "connect grpc://10.0.0.2:8470"]


def test_a_missing_tpu_is_told(site):
    with pytest.raises(TrainingError, match=r"train\.strategy is tpu, and the TPU 'local' cannot be used"):
        train(site.job("train.strategy=tpu"), "tpu")
