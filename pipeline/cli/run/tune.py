"""`hilir tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hilir.pipeline.cli.options import config_argument, json_option, overlay_option, set_option, write_command

if TYPE_CHECKING:
    from hilir.components.tuner.search_result import Found
    from hilir.pipeline.report.summary import Summary


@click.command()
@config_argument
@overlay_option
@set_option
@click.option("--trials", type=click.IntRange(min=1), help="Number of trials; the same as --set train.tune.trials=N.")
@click.option("--no-cache", is_flag=True, help="Search again, even if nothing has changed.")
@json_option
def tune(
    config: str,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    trials: int | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Search for the best hyperparameters of a model.

    CONFIG is a YAML file; without it, the only one in this folder that has model.package. What is searched is declared
    in the model package's Hyperparameters class, how in the section train.tune. A later run with
    train.tune.enabled=true takes the result.
    """
    from hilir.pipeline.config import load
    from hilir.pipeline.run.local_run import Options, run_locally

    settings = (*settings, *([f"train.tune.trials={trials}"] if trials else []))
    loaded = load(config, overlays, (*settings, "train.tune.enabled=true"))
    root = Path(loaded.config.pipeline.root) / loaded.config.model.name
    again = write_command("tune", config, overlays, settings)
    options = Options(again, last=("Tuner",), cache=not no_cache)
    objective = loaded.config.train.tune.objective
    following = write_command("run", config, overlays, (*settings, "train.tune.enabled=true"))
    run_locally(loaded, options, lambda summary: _print(summary, root, objective, following, as_json))


def _print(summary: Summary, root: Path, objective: str, again: str, as_json: bool) -> None:
    found = _read(root, summary.run_id) if summary.status == "succeeded" else None
    if found is not None:
        click.echo("\n".join(_lines(found, objective, again)))
    if as_json:
        import orjson

        best: dict[str, Any] = {}
        if found is not None:
            best = {"best": found.values, "objective": objective, "score": found.score, "trials": list(found.trials)}
        click.echo(orjson.dumps(summary.as_dict() | best).decode())


def _read(root: Path, run_id: str) -> Found | None:
    from hilir.components.tuner.search_result import read_found
    from hilir.pipeline.run.metadata_store import RunStore, connection

    run = RunStore(connection(str(root))).find_run(run_id)
    steps = [step for step in run.steps if step.node == "Tuner"] if run else []
    if not steps:
        return None
    outputs = steps[-1].outputs
    return read_found(outputs["best_hyperparameters"].uri, outputs["tuner_results"].uri)


def _lines(found: Found, objective: str, again: str) -> list[str]:
    lines = ["", f"{len(found.trials)} trials, {objective} of each with its values:"]
    for trial in found.trials:
        values = ", ".join(f"{name}={_shown(value)}" for name, value in trial.items() if name != "score")
        lines.append(f"  {trial['score']:>10.4f}  {values}")
    lines.append("best, for your configuration:")
    lines += ["  train:", "    hyperparameters:"]
    lines += [f"      {name}: {_shown(value)}" for name, value in found.values.items()]
    lines.append(f"next: {again}   (the search comes from the cache)")
    return lines


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
