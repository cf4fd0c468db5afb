"""The search for hyperparameters, by TFX's executor and by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from keras_tuner.errors import FatalError

from hilir.components.errors import TrainingError
from tests.forking import run_hilir


def arguments(job, working_dir):
    return SimpleNamespace(
        train_files=job.train_files,
        eval_files=job.eval_files,
        transform_graph_path=job.transform_output,
        serving_model_dir=None,
        model_run_dir=None,
        base_model=None,
        hyperparameters=None,
        custom_config={"package": job.package, "train": job.train, "code": job.code},
        working_dir=str(working_dir),
    )


def search(job, working_dir):
    from hilir.components.tuner.search import tuner_fn

    result = tuner_fn(arguments(job, working_dir))
    result.tuner.search(**result.fit_kwargs)
    return result.tuner


def test_every_value_is_tried_and_the_best_is_written_down(site, tmp_path):
    from tfx.components.tuner.executor import write_best_hyperparameters
    from tfx.types import standard_artifacts

    from hilir.components.tuner.search_result import read_found

    tuner = search(site.job("train.tune.algorithm=grid", "train.tune.epochs=2"), tmp_path / "work")
    best, results = standard_artifacts.HyperParameters(), standard_artifacts.TunerResults()
    best.uri, results.uri = str(tmp_path / "best"), str(tmp_path / "results")
    write_best_hyperparameters(tuner, {"best_hyperparameters": [best], "tuner_results": [results]})

    found = read_found(best.uri, results.uri)
    assert found.values == {"learning_rate": 0.1}
    assert [trial["learning_rate"] for trial in found.trials] == [0.1, 1e-6]
    assert found.score == found.trials[0]["score"] < found.trials[1]["score"]
    assert [event["trial"] for event in site.events if "trial" in event] == ["1/10", "2/10"]
    assert not list(site.root.glob("Trainer*"))


def test_an_objective_that_is_not_reported(site, tmp_path):
    with pytest.raises(FatalError) as raised:
        search(site.job("train.tune.objective=val_f1", "train.tune.epochs=1"), tmp_path)
    assert isinstance(raised.value.__cause__, TrainingError)
    assert str(raised.value) == (
        "train.tune.objective is 'val_f1', which the training does not report; "
        "it reports accuracy, balance, loss, twice, val_accuracy, val_balance, val_loss, val_twice"
    )


@pytest.mark.slow
@pytest.mark.pipeline
def test_a_run_takes_the_tuned_values_and_then_starts_warm(make_place):
    """`hilir tune`, a run with its result, and a run that goes on from the model which that one pushed."""
    from hilir.pipeline.run.metadata_store import RunStore, connection

    place = make_place("tuned")
    settings = [
        f"data.path={place.root}/data",
        "train.epochs=3",
        "train.tune.trials=2",
        "train.tune.enabled=true",
        "evaluate.thresholds=[{metric: accuracy, min: 0.3}]",
    ]
    sets = [part for setting in settings for part in ("--set", setting)]
    done = run_hilir(["tune", *place.words("configs/digits.yaml", "--json", *sets)[1:]])
    assert done.returncode == 0, done.stderr
    tuned = json.loads(done.stdout.splitlines()[-1])
    assert "best, for your configuration:" in done.stdout
    assert len(tuned["trials"]) == 2

    def run(*more: str):
        result = place.run("configs/digits.yaml", *sets, *more)
        store = RunStore(connection(str(place.root / "pipelines/digits")))
        steps = {step.node: step for step in store.find_run(result["run_id"]).steps}
        return result, steps

    first, steps = run()
    assert steps["Tuner"].state == "cached"
    used = json.loads(Path(steps["Trainer"].outputs["model_run"].uri, "weights/hyperparameters.json").read_text())
    assert used == tuned["best"]
    assert first["version"] == 1
    second, _ = run("--set", "train.warm_start=weights_and_optimizer")
    assert second["version"] == 2
    assert second["metrics"]["accuracy"] > first["metrics"]["accuracy"]
