"""Where the logs for TensorBoard of past and present trainings are."""

from __future__ import annotations

from pathlib import Path

from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.report.run_records import RunRecord, StepRecord


def find_logs(config: Config, run_id: str | None) -> dict[str, Path]:
    """Returns the folder of logs by run, the newest run first; runs that took a training from the cache share one.

    Args:
        config: whose pipeline ran.
        run_id: one run; None for all that have trained, each training once, under the name of the run that made it.

    Raises:
        ConfigError: there is no such run, or no logs.
    """
    from hilir.pipeline.run.metadata_store import RunStore, connection

    root = Path(config.pipeline.root) / config.model.name
    runs: list[RunRecord] = []
    if (root / "metadata.sqlite").exists():
        store = RunStore(connection(str(root)))
        runs = store.list_runs() if run_id is None else [run for run in [store.find_run(run_id)] if run is not None]
    if not runs:
        what = f"run '{run_id}'" if run_id else "run"
        raise ConfigError(f"there is no {what} of the pipeline {config.model.name}; 'hilir runs list' names them")
    found: dict[Path, str] = {}
    for run in runs:
        for step in run.steps:
            folder = _find_folder(root, step)
            if folder is not None and (run_id is not None or step.state != "cached"):
                found[folder] = run.id
    if not found:
        raise ConfigError(
            f"there are no logs of a training in {root}/Trainer; "
            "set train.tensorboard: true, and type 'hilir run --no-cache Trainer'"
        )
    return {name: folder for folder, name in found.items()}


def _find_folder(root: Path, step: StepRecord) -> Path | None:
    if step.node != "Trainer":
        return None
    if "model_run" in step.outputs:
        folder = Path(step.outputs["model_run"].uri)
    elif step.state == "running":
        # What a step makes is written down when it ends; its folder has the number of the latest execution.
        numbers = [int(path.name) for path in (root / "Trainer/model_run").glob("*") if path.name.isdigit()]
        folder = root / "Trainer/model_run" / str(max(numbers, default=0))
    else:
        return None
    return folder / "logs" if (folder / "logs").is_dir() else None
