from __future__ import annotations

import pytest
import tensorflow as tf

from hilir.components.errors import TrainingError
from hilir.components.trainer.distribution.cluster import make_local_role
from hilir.components.trainer.distribution.strategy import (
    Machine,
    check_gpus,
    choose,
    look_at_machine,
    make_strategy,
    needs_own_process,
)
from hilir.components.trainer.launch import divide_gpus, find_ports

CPU, GPUS, TPU = Machine(0, tpu=False), Machine(4, tpu=False), Machine(0, tpu=True)
ROLE, ONLY = make_local_role(0, [1, 2]), make_local_role(0, [1])


@pytest.mark.parametrize(
    ("settings", "role", "machine", "kind"),
    [
        ([], None, CPU, "one_device"),
        ([], None, Machine(1, tpu=False), "one_device"),
        ([], None, GPUS, "mirrored"),
        ([], None, TPU, "tpu"),
        ([], ROLE, GPUS, "multi_worker"),
        ([], ONLY, GPUS, "mirrored"),
        (["train.strategy=one_device"], ONLY, CPU, "one_device"),
        (["train.strategy=multi_worker"], ONLY, CPU, "multi_worker"),
        (["train.workers=2"], None, CPU, "multi_worker"),
        (["train.strategy=one_device"], None, GPUS, "one_device"),
        (["train.strategy=multi_worker"], ROLE, CPU, "multi_worker"),
        (["train.strategy=multi_worker", "train.workers=3"], None, CPU, "multi_worker"),
    ],
)
def test_auto_takes_what_there_is_and_a_name_is_kept(make_settings, settings, role, machine, kind):
    assert choose(make_settings(*settings), role, machine) == kind


def test_a_cluster_needs_its_strategy(make_settings):
    with pytest.raises(
        TrainingError, match=r"train\.strategy is mirrored, and this process is worker 0 of a cluster of 2"
    ):
        choose(make_settings("train.strategy=mirrored"), ROLE, CPU)


def test_multi_worker_without_cluster_needs_a_number(make_settings):
    with pytest.raises(TrainingError, match=r"set train\.workers to the number of processes to start on this machine"):
        choose(make_settings("train.strategy=multi_worker"), None, CPU)


def test_gpus_that_tensorflow_does_not_know_of_are_counted(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert look_at_machine({}, str(tmp_path)).idle_gpus == 2
    assert look_at_machine({"CUDA_VISIBLE_DEVICES": "1"}, str(tmp_path)).idle_gpus == 2
    assert look_at_machine({"CUDA_VISIBLE_DEVICES": "-1"}, str(tmp_path)).idle_gpus == 0
    assert look_at_machine({}, str(tmp_path / "none")).idle_gpus == 0


def test_idle_gpus_are_a_warning_here_and_an_error_where_a_platform_bills_them(caplog):
    idle = Machine(0, tpu=False, idle_gpus=2)
    check_gpus(CPU, {"CLUSTER_SPEC": "{}"})
    assert not caplog.messages
    check_gpus(idle, {})
    assert "this machine has 2 NVIDIA GPUs, and TensorFlow" in caplog.text
    with pytest.raises(TrainingError, match="Use hilir's image for GPUs, or"):
        check_gpus(idle, {"CLUSTER_SPEC": "{}"})


@pytest.mark.parametrize(
    ("settings", "role", "machine", "own"),
    [
        (["train.strategy=multi_worker", "train.workers=1"], None, CPU, True),
        (["train.strategy=multi_worker"], ROLE, CPU, False),
        (["train.strategy=mirrored", "train.devices=2"], None, CPU, True),
        (["train.strategy=mirrored", "train.devices=2"], None, GPUS, False),
        (["train.strategy=mirrored"], None, CPU, False),
        ([], None, CPU, False),
    ],
)
def test_what_must_not_run_in_the_pipelines_process(make_settings, settings, role, machine, own):
    checked = make_settings(*settings)
    assert needs_own_process(choose(checked, role, machine), checked, role, machine) is own


def test_this_machine_is_looked_at_without_starting_tensorflow():
    assert look_at_machine({}).tpu is False
    assert look_at_machine({"TPU_NAME": "local"}).tpu is True


def test_mirrored_on_one_cpu(make_settings):
    strategy = make_strategy("mirrored", make_settings("train.strategy=mirrored"), None)
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 1


def test_too_many_devices_in_a_running_process_are_told(make_settings):
    tf.constant(1)
    with pytest.raises(TrainingError, match=r"train\.devices is 64, and TensorFlow is already running with fewer"):
        make_strategy("mirrored", make_settings("train.strategy=mirrored", "train.devices=64"), None)


@pytest.mark.parametrize(
    ("index", "workers", "gpus", "visible", "given"),
    [
        (0, 2, 0, None, None),
        (1, 2, 4, None, "2,3"),
        (1, 2, 4, "4,5,6,7", "6,7"),
        (0, 2, 1, None, ""),
        (2, 3, 4, None, "2"),
    ],
)
def test_each_worker_gets_the_same_number_of_gpus(index, workers, gpus, visible, given):
    assert divide_gpus(index, workers, gpus, visible) == given


def test_ports_are_free_and_differ():
    ports = find_ports(20)
    assert len(set(ports)) == 20
