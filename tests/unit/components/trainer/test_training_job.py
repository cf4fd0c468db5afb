from __future__ import annotations

from dataclasses import replace

import pytest

from hilir.components.trainer.training_job import TrainingJob, read_tuned


@pytest.fixture
def job(make_settings):
    return TrainingJob("models.digits", "c", make_settings().model_dump(mode="json"), ("a*",), ("b*",), "t", "m", "r")


def test_a_job_survives_json(job):
    assert TrainingJob.from_json(job.to_json()) == job


@pytest.mark.parametrize("changes", [{"model_dir": "x"}, {"run_dir": "x"}, {"max_restarts": 9}, {"tensorboard": False}])
def test_what_does_not_change_the_result_keeps_the_key(job, changes):
    assert change(job, changes).key() == job.key()


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "d"},
        {"train_files": ("z*",)},
        {"transform_output": "u"},
        {"base_model": "x"},
        {"tuned": {"learning_rate": 1.0}},
        {"seed": 5},
        {"epochs": 7},
        {"strategy": "mirrored"},
    ],
)
def test_what_changes_the_result_changes_the_key(job, changes):
    assert change(job, changes).key() != job.key()


def change(job, changes):
    fields = {name: value for name, value in changes.items() if name in TrainingJob.__dataclass_fields__}
    train = {name: value for name, value in changes.items() if name not in fields}
    return replace(job, train={**job.train, **train}, **fields)


def test_tuned_values_win_and_lists_are_read_back(job):
    tuned = read_tuned({"space": [], "values": {"hidden_units": "[300, 300]", "learning_rate": 0.1, "tuner/trial": 1}})
    assert tuned == {"hidden_units": [300, 300], "learning_rate": 0.1}
    changed = replace(job, train={**job.train, "hyperparameters": {"learning_rate": 0.5}}, tuned=tuned)
    assert changed.hyperparameters == tuned
