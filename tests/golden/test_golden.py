"""The compiled pipelines are what was reviewed, compile twice to the same, and hold what TFX drops."""

from __future__ import annotations

import difflib
import json

import pytest

from hilir.pipeline.spec.specification import parse
from hilir.pipeline.spec.structure import check_structure
from tests.golden.render import FOLDER, PIPELINES, render


@pytest.mark.parametrize("name", PIPELINES)
def test_compiles_to_the_reviewed_text(name: str) -> None:
    wanted = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    compiled = render(name)
    lines = difflib.unified_diff(wanted.splitlines(), compiled.splitlines(), "reviewed", "compiled", n=2)
    difference = "\n".join(lines)
    assert compiled == wanted, f"type 'make golden' if this is meant:\n{difference}"


@pytest.mark.parametrize("name", ["taxi", "digits"])
def test_reviewed_text_holds_what_tfx_drops(name: str) -> None:
    job = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert check_structure(parse(job)) == []
    spec = job["pipelineSpec"]
    assert spec["schemaVersion"] == "2.1.0"
    assert job["runtimeConfig"]["parameterValues"]["train_epochs"] == {"taxi": 5, "digits": 60}[name]
    trainer = spec["root"]["dag"]["tasks"]["Trainer"]
    assert trainer["retryPolicy"]["maxRetryCount"] == 2
    assert (
        "\"epochs\": {{$.inputs.parameters['train_epochs']}}"
        in trainer["inputs"]["parameters"]["custom_config"]["runtimeValue"]["constant"]
    )
    assert spec["deploymentSpec"]["executors"]["Trainer_executor"]["container"]["resources"]["cpuLimit"] == 8.0
    assert spec["root"]["dag"]["tasks"]["ExampleGen"]["inputs"]["parameters"]["input_base"] == {
        "componentInputParameter": "data_path"
    }


def test_a_window_of_spans_is_chosen_by_our_driver() -> None:
    job = json.loads((FOLDER / "window.json").read_text(encoding="utf-8"))
    spec = job["pipelineSpec"]
    hook = spec["deploymentSpec"]["executors"]["ExampleGen_executor"]["container"]["lifecycle"]["preCacheCheck"]
    assert hook["command"] == ["python", "-m", "hilir.components.example_gen.driver"]
    parameters = spec["root"]["dag"]["tasks"]["ExampleGen"]["inputs"]["parameters"]
    assert json.loads(parameters["range_config"]["runtimeValue"]["constant"]) == {"rolling_range": {"num_spans": 7}}


def test_a_query_is_read_by_tfx() -> None:
    job = json.loads((FOLDER / "bigquery.json").read_text(encoding="utf-8"))
    spec = job["pipelineSpec"]
    container = spec["deploymentSpec"]["executors"]["ExampleGen_executor"]["container"]
    assert "tfx.extensions.google_cloud_big_query.example_gen.executor.Executor" in container["args"]
    parameters = spec["root"]["dag"]["tasks"]["ExampleGen"]["inputs"]["parameters"]
    assert "SELECT * FROM trips.rows" in parameters["input_config"]["runtimeValue"]["constant"]
