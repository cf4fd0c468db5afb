"""What a newcomer sees: the taxi pipeline by the command line, and what it leaves on the disk."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.pipeline

NODES = [
    "ExampleGen", "StatisticsGen", "SchemaGen", "LastPush", "ExampleValidator", "DataGate",
    "Transform", "Preflight", "Trainer", "LatestBlessed", "Evaluator", "Pusher",
]  # fmt: skip


def test_a_fresh_run_trains_evaluates_and_pushes(taxi_run):
    place, result = taxi_run
    assert result["status"] == "succeeded"
    assert result["blessed"] is True
    assert result["reasons"] == []
    assert result["version"] == 1
    assert result["version_path"] == f"{place.models}/taxi/1"
    assert result["metrics"]["auc"] > 0.9
    assert set(NODES) <= {node["id"] for node in result["nodes"]}
    assert {node["state"] for node in result["nodes"]} == {"done"}
    assert sum(node["seconds"] for node in result["nodes"]) <= result["seconds"]


def test_the_screen_shows_our_lines_only(taxi_run):
    _, result = taxi_run
    assert result["stderr"] == ""
    lines = result["stdout"].splitlines()
    assert "ExampleGen running" in lines
    (ingest,) = [line for line in lines if line.startswith("ExampleGen done")]
    rows = re.fullmatch(r"ExampleGen done \([\d.]+ s\): rows ([\d,]+) train, ([\d,]+) eval", ingest)
    assert sum(int(count.replace(",", "")) for count in rows.groups()) == 15_002
    assert any(line.startswith("Trainer running: epoch 1/") for line in lines)
    assert f"next: hilir serve --root {taxi_run[0].models}" in lines
    assert not [line for line in lines if "WARNING" in line or line.startswith(("I0", "W0", "E0"))]


def test_the_run_folder_has_log_configuration_summary_and_report(taxi_run):
    place, result = taxi_run
    folder = place.root / "runs" / result["run_id"]
    written = {"config.yaml", "log.txt", "plots.json", "progress.jsonl", "report.html", "report.json", "summary.json"}
    assert {path.name for path in folder.iterdir()} == written
    assert "Component Trainer is finished." in (folder / "log.txt").read_text()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["version"] == 1
    assert summary["report"] == str(folder / "report.html")
    report = json.loads((folder / "report.json").read_text())
    assert report["status"] == "succeeded"
    assert report["evaluation"]["metrics"]["overall"] == result["metrics"]
    assert [step["id"] for step in report["steps"]] == [node["id"] for node in result["nodes"]]
    assert {"auc", "loss"} <= set(report["curves"])
    assert report["pushed"]["version"] == 1
    assert ["train.batch_size", 256, "configs/taxi.yaml"] in report["config"]
    assert f"report: {folder / 'report.html'}" in result["stdout"].splitlines()


def test_the_report_is_made_anew_with_the_plots_of_a_slice(taxi_run, tmp_path):
    place, result = taxi_run
    path = place.root / "runs" / result["run_id"] / "report.json"
    before = json.loads(path.read_text())
    page, part = tmp_path / "page.html", "trip_start_hour=12"
    done = place.hilir("report", result["run_id"], "--slice", part, "--out", str(page))
    assert (done.returncode, done.stdout) == (0, f"{page}\n"), done.stderr
    after = json.loads(path.read_text())
    ((name, plots),) = after["evaluation"].pop("slice_plots").items()
    assert name == part
    lowest = plots[""]["thresholds"][0]
    counts = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    assert sum(lowest[count] for count in counts) == before["evaluation"]["metrics"][part]["example_count"]
    del before["evaluation"]["slice_plots"]
    same = (
        "evaluation",
        "statistics",
        "anomalies",
        "curves",
        "pushed",
        "status",
        "config",
        "lineage",
        "edges",
        "spent",
    )
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert f"Scores, {part}" in page.read_text()
    refused = place.hilir("report", result["run_id"], "--slice", "hour=12")
    assert refused.returncode == 3
    assert "the run has no plots of a slice 'hour=12'; it has the slices trip_start_hour=0, " in refused.stderr


def test_the_run_can_be_listed_and_shown(taxi_run):
    place, result = taxi_run

    def hilir(*words):
        done = place.hilir(*words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    (line,) = [line for line in hilir("runs", "list", "configs/taxi.yaml") if line.startswith(result["run_id"])]
    assert line.endswith("succeeded   version 1")
    shown = hilir("runs", "show", result["run_id"])
    steps = {line.split()[0]: line for line in shown if not line.startswith(" ")}
    assert list(steps) == [node["id"] for node in result["nodes"]]
    assert "rows " in steps["ExampleGen"]
    assert "blessed · slices 26" in steps["Evaluator"]
    assert steps["Pusher"].endswith("version 1")
    (line,) = hilir("models", "list", "configs/taxi.yaml")
    assert line.split()[:2] == ["taxi", "1"]
    assert result["run_id"] in line


def test_the_manifest_says_what_is_in_the_version(taxi_run):
    _, result = taxi_run
    folder = Path(result["version_path"])
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(manifest["files"]) == files
    assert (folder / "MODEL_CARD.md").read_text().startswith("# Model card: taxi\n")
    for name, facts in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert facts == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert manifest["run_id"] == result["run_id"]
    assert manifest["metrics"]["overall"] == pytest.approx(result["metrics"])
    assert any(name.startswith("trip_start_hour=") for name in manifest["metrics"])
    assert manifest["thresholds"][0]["metric"] == "auc"
    assert manifest["data"]["fingerprint"].startswith("split:all,num_files:1,")
    assert len(manifest["code"]["fingerprint"]) == 64
    assert {"tensorflow", "tfx"} <= set(manifest["packages"])
    assert "tips" not in manifest["signatures"]["serving_default"]["inputs"]
    assert "pickup_census_tract" not in manifest["signatures"]["serving_default"]["inputs"]


def test_the_model_never_sees_the_tips(taxi_run):
    place, _ = taxi_run
    import tensorflow_transform as tft

    (graph,) = (place.root / "pipelines" / "taxi" / "Transform" / "transform_graph").iterdir()
    assert "tips" not in tft.TFTransformOutput(str(graph)).transformed_feature_spec()


def test_an_unchanged_rerun_executes_nothing_but_the_resolver(taxi_run):
    place, first = taxi_run
    again = place.run("configs/taxi.yaml")
    states = {node["id"]: node["state"] for node in again["nodes"]}
    assert (states.pop("LastPush"), states.pop("LatestBlessed")) == ("done", "done")
    assert set(states.values()) == {"cached"}
    assert again["version"] == first["version"]
    assert again["metrics"] == first["metrics"]


@pytest.mark.slow
def test_two_workers_push_a_blessed_model(make_place):
    place = make_place("workers")
    result = place.run("configs/taxi.yaml", "--set", "train.strategy=multi_worker", "--set", "train.workers=2")
    assert (result["blessed"], result["version"]) == (True, 1)
    assert result["metrics"]["auc"] > 0.9
    assert "Trainer running: workers 2" in result["stdout"]


def test_digits_reaches_its_accuracy_and_is_sliced_by_true_class(digits_run):
    place, result = digits_run
    assert result["blessed"] is True
    assert result["metrics"]["accuracy"] >= 0.93
    assert result["metrics"]["example_count"] > 500
    manifest = json.loads((place.models / "digits" / "1" / "manifest.json").read_text())
    assert {f"label={digit}" for digit in range(10)} <= set(manifest["metrics"])
