"""The whole way: compile, submit, run, push, deploy, predict, a second version, a split of the traffic, back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = {
    "vertex.bucket": "test-bucket",
    "vertex.image": "europe-docker.pkg.dev/p/hilir/hilir:1.0",
    "vertex.parameters": "[train.epochs]",
    "vertex.machines": "{}",
    "vertex.push.enabled": "true",
    "vertex.push.traffic": "20",
    "evaluate.thresholds": "[{metric: accuracy, min: 0.3}]",
    "export.tflite.variants": "[]",
    "train.epochs": "1",
    "train.early_stopping": "null",
}


@pytest.fixture
def bucket(vertex, monkeypatch) -> Path:
    """The bucket with what the digits pipeline reads."""
    from models.digits.dataset import write_dataset

    monkeypatch.setenv("HILIR_BUCKET", "unused")
    monkeypatch.setenv("HILIR_IMAGE", "unused")
    monkeypatch.setattr(vertex.pipelines, "fast", True)
    folder = vertex.store.buckets / "test-bucket"
    (folder / "data/digits").mkdir(parents=True)
    write_dataset(str(folder / "data/digits"))
    (folder / "schemas").mkdir()
    (folder / "schemas/digits.pbtxt").write_text((ROOT / "configs/schemas/digits.pbtxt").read_text())
    return folder


@pytest.mark.pipeline
def test_from_a_configuration_to_a_rollback(hilir, vertex, bucket, tmp_path) -> None:
    options = ["--overlay", "configs/overlays/vertex.yaml"]
    options += [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    spec = str(tmp_path / "digits.json")

    hilir("compile", "configs/digits.yaml", "-o", spec, *options)
    first = hilir("submit", spec, "--wait")
    assert "VertexPusher done" in first.out
    assert (bucket / "models/digits/1/manifest.json").is_file()
    served = answers(vertex, 10)
    assert served.keys() == {"1"}, "the first version gets all requests"

    # The second training differs in a parameter of the submission alone; the steps before it are not run again.
    second = hilir("submit", "configs/digits.yaml", "--wait", "--parameter", "train_epochs=2", *options)
    assert "Transform cached" in second.out
    assert "Trainer done" in second.out
    shown = hilir("vertex", "show", "configs/digits.yaml", *options).out
    assert "v2      deployed          20 %" in shown
    assert "v1      deployed          80 % default" in shown
    assert {version: len(found) for version, found in answers(vertex, 100).items()} == {"1": 80, "2": 20}

    hilir("vertex", "traffic", "configs/digits.yaml", "2=100", *options)
    newer = answers(vertex, 5)
    assert newer.keys() == {"2"}
    assert newer["2"][0] != pytest.approx(served["1"][0], abs=1e-6), "two trainings, two models"

    assert "now:    v1 100 %" in hilir("vertex", "rollback", "configs/digits.yaml", *options).out
    assert answers(vertex, 5)["1"][0] == pytest.approx(served["1"][0]), "the version of before, unchanged"
    assert all(sum(split.values()) == 100 for split in vertex.endpoints.splits if split)
    assert Counter(method for method, path, _ in vertex.store.requests if path.endswith("models:upload")) == {"POST": 2}


def answers(vertex, count: int) -> dict[str, list[list[float]]]:
    """Asks the endpoint with the real client; returns the outputs by the version that gave them."""
    from hilir.components.vertex.connection import Connection
    from tests.contract.vertex.store import PROJECT, REGION

    connection = Connection(PROJECT, REGION, vertex.address)
    client = connection.client("predictions")
    instance = {"image": [[float((row * column) % 17) for column in range(8)] for row in range(8)]}
    found: dict[str, list[list[float]]] = {}
    for _ in range(count):
        answer = client.predict(endpoint=connection.name("endpoints", "digits"), instances=[instance])
        (output,) = answer.predictions
        assert sum(output) == pytest.approx(1, abs=1e-5)
        found.setdefault(answer.model_version_id, []).append(list(output))
    return found
