"""The trainings that are measured."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hilir.components.trainer.training_job import TrainingJob
from hilir.pipeline.config import load


def make_job(data: Path, *settings: str) -> TrainingJob:
    """Returns a training on the prepared data, in a new folder."""
    root = Path(tempfile.mkdtemp(dir=data))
    config = load(
        "configs/digits.yaml", settings=["train.batch_size=64", "train.early_stopping=null", *settings]
    ).config
    return TrainingJob(
        package="benchmarks.train.workload",
        code="",
        train=config.train.model_dump(mode="json"),
        train_files=(str(data / "train.gz"),),
        eval_files=(str(data / "eval.gz"),),
        transform_output=str(data / "transform"),
        model_dir=str(root / "model/1/Format-Serving"),
        run_dir=str(root / "model_run/1"),
    )
