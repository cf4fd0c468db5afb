"""Bad data stops a run, and a change reruns exactly what depends on it."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from hilir.pipeline.cli.main import _run
from hilir.pipeline.config import load
from hilir.pipeline.errors import StepFailed
from hilir.pipeline.run.local_run import Options, run_locally

pytestmark = pytest.mark.pipeline

FAST = ["train.epochs=1", "evaluate.thresholds=[{metric: auc, min: 0.1}]", "evaluate.slices={}"]


def run(place, data: Path, *settings: str, **options: Any) -> dict[str, Any]:
    """Runs the taxi pipeline in this process on other data; returns the summary."""
    summaries = []
    loaded = load("configs/taxi.yaml", settings=[*place.settings, f"data.path={data}", *FAST, *settings])
    run_locally(loaded, Options("hilir run configs/taxi.yaml", **options), summaries.append)
    return summaries[-1].as_dict()


def executed(result: dict[str, Any]) -> set[str]:
    return {node["id"] for node in result["nodes"] if node["state"] == "done"} - {"LatestBlessed", "LastPush"}


@pytest.fixture(scope="module")
def workshop(make_place, tmp_path_factory, taxi_rows):
    """A place with 2,000 rows and a model package of its own, run once."""
    place = make_place("changes")
    data = tmp_path_factory.mktemp("data")
    (data / "data.csv").write_text("".join(taxi_rows.read_text().splitlines(keepends=True)[:2001]))
    packages = tmp_path_factory.mktemp("packages")
    shutil.copytree(Path("models/taxi"), packages / "workshop_taxi", ignore=shutil.ignore_patterns("__pycache__"))
    for source in (packages / "workshop_taxi").glob("*.py"):
        source.write_text(source.read_text().replace("models.taxi", "workshop_taxi"))
    sys.path.insert(0, str(packages))
    try:
        first = run(place, data, "model.package=workshop_taxi")
        assert first["version"] == 1
        yield place, data, packages / "workshop_taxi"
    finally:
        sys.path.remove(str(packages))
        for name in [name for name in sys.modules if name.partition(".")[0] == "workshop_taxi"]:
            del sys.modules[name]


MINE = "model.package=workshop_taxi"


def test_a_hyperparameter_reruns_the_trainer_and_what_follows(workshop):
    place, data, _ = workshop
    result = run(place, data, MINE, "train.hyperparameters={embedding_size: 4}")
    assert executed(result) == {"Preflight", "Trainer", "Evaluator", "Pusher"}
    assert result["version"] == 2


def test_an_edit_of_the_models_code_reruns_the_trainer(workshop):
    place, data, package = workshop
    with (package / "model.py").open("a") as file:
        file.write("# edited\n")
    assert executed(run(place, data, MINE, last=("Trainer",))) == {"Preflight", "Trainer"}


def test_an_edit_of_the_preprocessing_reruns_the_transform_too(workshop):
    place, data, package = workshop
    with (package / "preprocessing.py").open("a") as file:
        file.write("# edited\n")
    assert executed(run(place, data, MINE, last=("Trainer",))) == {"Transform", "Preflight", "Trainer"}


def test_the_same_seed_gives_the_same_metrics(workshop):
    place, data, _ = workshop
    first = run(place, data, MINE, first=("Trainer",), cache=False)
    second = run(place, data, MINE, first=("Trainer",), cache=False)
    assert executed(second) == {"Trainer", "Evaluator", "Pusher"}
    assert second["metrics"] == pytest.approx(first["metrics"], abs=1e-6)
    assert second["version"] == first["version"] + 1


def test_a_model_that_is_not_good_enough_is_not_pushed_and_says_why(workshop):
    place, data, _ = workshop
    before = sorted(path.name for path in (place.models / "taxi").glob("[0-9]*"))
    bounds = "evaluate.thresholds=[{metric: auc, min: 0.9999}, {metric: accuracy, slice: cash, min: 1.01}]"
    result = run(place, data, MINE, bounds, "evaluate.slices={cash: {values: {payment_type: Cash}}}")
    assert result["blessed"] is False
    assert result["version"] is None
    assert [reason.partition(" is ")[0] for reason in sorted(result["reasons"])] == [
        "accuracy over payment_type=Cash",
        "auc over overall",
    ]
    assert all(reason.endswith(("at least 0.9999", "at least 1.01")) for reason in result["reasons"])
    assert sorted(path.name for path in (place.models / "taxi").glob("[0-9]*")) == before


def test_an_edit_of_the_data_reruns_everything_that_reads_it(workshop):
    place, data, _ = workshop
    with (data / "data.csv").open("a") as file:
        file.write("8,12.5,5,19,6,1400269500,41.9,-87.6,41.9,-87.6,1.0,,,Cash,,300,8,0.0\n")
    assert executed(run(place, data, MINE, last=("Transform",))) == {
        "ExampleGen", "StatisticsGen", "ExampleValidator", "DataGate", "Transform",
    }  # fmt: skip


def refused(place, data: Path, *settings: str) -> str:
    with pytest.raises(StepFailed) as caught:
        run(place, data, *settings, last=("DataGate",))
    return str(caught.value)


def edit(source: Path, target: Path, change) -> Path:
    target.mkdir()
    rows = [line.split(",") for line in (source / "data.csv").read_text().splitlines()]
    (target / "data.csv").write_text("\n".join(",".join(change(row)) for row in rows) + "\n")
    return target


def test_an_edit_of_the_curated_schema_is_read_and_its_unknown_values_are_counted(workshop, tmp_path):
    place, data, _ = workshop
    schema = tmp_path / "taxi.pbtxt"
    shutil.copy("configs/schemas/taxi.pbtxt", schema)
    first = run(place, data, f"schema.path={schema}", last=("DataGate",))
    assert executed(first) >= {"SchemaGen", "ExampleValidator"}
    assert executed(run(place, data, f"schema.path={schema}", last=("DataGate",))) == set()
    schema.write_text(schema.read_text().replace('  value: "Cash"\n', ""))
    with pytest.raises(StepFailed) as caught:
        run(place, data, f"schema.path={schema}", last=("DataGate",))
    counts = re.findall(r"split (\w+), feature 'payment_type': .* \['Cash' in ([\d,]+) rows\]", str(caught.value))
    assert {split for split, _ in counts} == {"train", "eval"}
    rows = [line.split(",") for line in (data / "data.csv").read_text().splitlines()]
    at = rows[0].index("payment_type")
    assert sum(int(count.replace(",", "")) for _, count in counts) == sum(row[at] == "Cash" for row in rows[1:])


def test_a_missing_column_stops_at_the_gate(workshop, tmp_path):
    place, data, _ = workshop
    broken = edit(data, tmp_path / "broken", lambda row: row[:-1])
    message = refused(place, broken)
    assert message.splitlines()[0] == (
        "DataGate: the data has 1 anomaly of severity 'error' or above; nothing was trained, nothing was pushed"
    )
    assert "  splits eval and train, feature 'tips': SCHEMA_MISSING_COLUMN (error): " in message
    assert "  --set 'validation.accept={tips: [SCHEMA_MISSING_COLUMN]}'" in message


def test_an_extra_column_stops_at_the_gate_until_it_is_accepted(workshop, tmp_path):
    place, data, _ = workshop
    extra = edit(data, tmp_path / "extra", lambda row: [*row, "colour" if row[-1] == "tips" else "blue"])
    message = refused(place, extra)
    assert "feature 'colour': SCHEMA_NEW_COLUMN (error): " in message
    result = run(place, extra, "validation.accept={colour: [SCHEMA_NEW_COLUMN]}", last=("DataGate",))
    assert result["status"] == "succeeded"


def test_a_refusal_by_the_gate_ends_with_code_4_and_pushes_nothing(make_place, workshop, tmp_path, capfd):
    _, data, _ = workshop
    place = make_place("refused")
    broken = edit(data, tmp_path / "broken", lambda row: row[:-1])
    sets = [part for setting in [*place.settings, f"data.path={broken}"] for part in ("--set", setting)]
    assert _run(["run", "configs/taxi.yaml", *sets]) == 4
    shown = capfd.readouterr()
    assert shown.err.startswith("hilir: DataGate: the data has 1 anomaly ")
    assert "DataGate failed" in shown.out
    assert "Transform" not in shown.out
    assert not place.models.exists()


def test_a_value_of_the_wrong_type_stops_the_ingest(make_place, workshop, tmp_path):
    _, data, _ = workshop
    broken = edit(data, tmp_path / "broken", lambda row: [*row[:10], "far", *row[11:]] if row[1] == "12.45" else row)
    message = refused(make_place("wrong-type"), broken)
    assert message == (
        f"ExampleGen: {broken}/data.csv: column 'trip_miles', row 1 (line 2) contains 'far', which is not a number "
        f"like the column's other values; fix the row, or set 'data.columns: {{trip_miles: string}}' if it is a column "
        f"of strings"
    )
