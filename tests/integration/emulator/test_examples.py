"""The example pipelines, compiled for Vertex AI and emulated, come to what `hilir run` comes to."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Place
from tests.forking import run_hilir

pytestmark = pytest.mark.pipeline

# What differs between two makings of the same model: ids, times, paths, and protos whose maps have no order.
IDS = {"created", "run_id", "source", "data/examples", "files/saved_model.pb", "files/fingerprint.pb"}
IDS |= {"exports/tflite/files/export.json", "files/MODEL_CARD.md"}


@dataclass(frozen=True)
class Emulation:
    """A folder in which the compiled pipeline is emulated."""

    folder: Path
    spec: Path
    data: Path
    model: str = "digits"

    @property
    def models(self) -> Path:
        return self.folder / "work/gs/my-bucket/models" / self.model

    def run(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        mappings = [f"gs://my-bucket/data/{self.model}={self.data}", f"gs://my-bucket/schemas={ROOT}/configs/schemas"]
        command = ["emulate", str(self.spec), "--workdir", f"{self.folder}/work"]
        command += [part for mapping in mappings for part in ("--map", mapping)]
        done = run_hilir([*command, "--json", *arguments], cwd=ROOT)
        assert done.returncode == code, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result | {"stdout": done.stdout}


def compile_example(folder: Path, *settings: str, model: str = "digits") -> Path:
    """Compiles by the command line, without network and credentials; returns the file."""
    environment = os.environ | {"HILIR_BUCKET": "my-bucket", "HILIR_IMAGE": "local/hilir:1"}
    # A proxy that is not there would stop any request.
    environment |= {"HTTPS_PROXY": "http://127.0.0.1:1", "GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent"}
    command = [
        "compile",
        f"configs/{model}.yaml",
        "--overlay",
        "configs/overlays/vertex.yaml",
        "-o",
        f"{folder}/d.json",
    ]
    command += [part for setting in settings for part in ("--set", setting)]
    done = run_hilir(command, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"compiled {model} to {folder}/d.json",
        f"next: hilir emulate {folder}/d.json --map gs://my-bucket/data/{model}=FOLDER --map gs://my-bucket/schemas=FOLDER",
    ]
    return folder / "d.json"


@pytest.fixture(scope="module")
def emulation(tmp_path_factory: pytest.TempPathFactory, digits_run: tuple[Place, dict[str, Any]]) -> Emulation:
    folder = tmp_path_factory.mktemp("emulation")
    return Emulation(folder, compile_example(folder), digits_run[0].root / "data")


@pytest.fixture(scope="module")
def first(emulation: Emulation) -> dict[str, Any]:
    return emulation.run("--fast")


def test_same_model_as_a_local_run(
    emulation: Emulation, first: dict[str, Any], digits_run: tuple[Place, dict[str, Any]]
) -> None:
    place, local = digits_run
    assert (first["status"], first["blessed"], first["version"]) == ("succeeded", True, 1)
    assert first["metrics"] == pytest.approx(local["metrics"], abs=1e-5)
    _check_same_weights(emulation.models / "1", place.models / "digits/1")


def test_same_manifest_as_a_local_run(
    emulation: Emulation, first: dict[str, Any], digits_run: tuple[Place, dict[str, Any]]
) -> None:
    mine = _leaves(json.loads((emulation.models / "1/manifest.json").read_text()))
    theirs = _leaves(json.loads((digits_run[0].models / "digits/1/manifest.json").read_text()))
    different = {key for key in mine.keys() | theirs.keys() if not _same(mine.get(key), theirs.get(key))}
    assert {key for key in different if not key.startswith(tuple(IDS))} == set()
    assert (mine["run_id"], theirs["run_id"]) == (first["run_id"], digits_run[1]["run_id"])


def test_every_step_is_on_the_table(first: dict[str, Any]) -> None:
    states = {node["id"]: node["state"] for node in first["nodes"]}
    assert set(states.values()) == {"done"}
    assert {"ExampleGen", "Trainer", "Evaluator", "Pusher", "LatestBlessed-model-resolver"} <= states.keys()
    assert "ExampleGen done" in first["stdout"]
    assert "rows 1,218 train, 579 eval" in first["stdout"]
    assert "Trainer running: epoch " in first["stdout"]


def test_second_emulation_is_cached_and_finds_the_baseline(emulation: Emulation, first: dict[str, Any]) -> None:
    second = emulation.run("--fast")
    states = {node["id"]: node["state"] for node in second["nodes"]}
    for step in ("ExampleGen", "StatisticsGen", "SchemaGen", "Transform", "Trainer"):
        assert states[step] == "cached"
    assert states["Evaluator"] == "done"
    assert second["baseline"] == pytest.approx(first["metrics"], abs=1e-6)
    assert second["blessed"] is True


@pytest.mark.slow
def test_steps_in_fresh_processes_come_to_the_same(emulation: Emulation, first: dict[str, Any], tmp_path: Path) -> None:
    fresh = Emulation(tmp_path, emulation.spec, emulation.data)
    result = fresh.run()
    assert (result["status"], result["blessed"], result["version"]) == ("succeeded", True, 1)
    assert result["metrics"] == pytest.approx(first["metrics"], abs=1e-5)
    _check_same_weights(fresh.models / "1", emulation.models / "1")


@pytest.mark.slow
def test_taxi_comes_to_the_same_as_a_local_run(
    taxi_run: tuple[Place, dict[str, Any]], taxi_rows: Path, tmp_path: Path
) -> None:
    place, local = taxi_run
    taxi = Emulation(tmp_path, compile_example(tmp_path, model="taxi"), taxi_rows.parent, "taxi")
    result = taxi.run("--fast")
    assert (result["status"], result["blessed"], result["version"]) == ("succeeded", True, 1)
    assert result["metrics"] == pytest.approx(local["metrics"], abs=1e-4)
    _check_same_weights(taxi.models / "1", place.models / "taxi/1", 1e-4)


def _check_same_weights(mine: Path, theirs: Path, tolerance: float = 1e-6) -> None:
    weights, others = _weights(mine), _weights(theirs)
    assert weights.keys() == others.keys()
    for name, values in weights.items():
        assert values == pytest.approx(others[name], abs=tolerance), name


def _leaves(value: Any, key: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {name: leaf for part, inner in value.items() for name, leaf in _leaves(inner, f"{key}/{part}").items()}
    return {key.removeprefix("/"): value}


def _same(mine: Any, theirs: Any) -> bool:
    return bool(mine == (pytest.approx(theirs, abs=1e-5) if isinstance(theirs, float) else theirs))


def _weights(version: Path) -> dict[str, Any]:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(version / "variables/variables"))
    names = [name for name in reader.get_variable_to_shape_map() if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    return {name: reader.get_tensor(name) for name in names}
