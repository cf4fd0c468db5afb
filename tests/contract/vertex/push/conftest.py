"""A model that is pushed to the server."""

from __future__ import annotations

import pytest

from hilir.components.vertex_pusher.push import connect, push
from hilir.components.vertex_pusher.settings import Target

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"


@pytest.fixture
def make_target(vertex):
    """Returns a function that makes a target of the server; its arguments change the settings of the push."""
    from tests.contract.vertex.store import PROJECT, REGION

    settings = {
        "enabled": True, "model": None, "endpoint": None, "image": IMAGE, "args": [], "predict_route": None,
        "health_route": None, "port": None, "environment": {}, "machine_type": "n1-standard-4", "min_replicas": 1,
        "max_replicas": 2, "accelerator": None, "accelerators": 1, "traffic": 100, "keep_versions": 2,
        "request_log": None, "service_account": None,
    }  # fmt: skip

    def make(**changes) -> Target:
        return Target.model_validate(
            {
                "project": PROJECT, "region": REGION, "address": vertex.address, "model": "taxi",
                "endpoint": "taxi", "labels": {"team": "taxi"}, "push": settings | changes,
            }
        )  # fmt: skip

    return make


@pytest.fixture
def pushed(vertex, make_target):
    """Returns a function that pushes a version whose files are in the bucket."""

    def run(number: int, **changes):
        folder = vertex.store.buckets / f"test-bucket/models/taxi/{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_bytes(b"")
        target = make_target(**changes)
        return push(connect(target), target, number, f"gs://test-bucket/models/taxi/{number}", f"version {number}")

    return run


@pytest.fixture
def config(tmp_path) -> tuple[str, ...]:
    """The taxi configuration with an overlay for the server."""
    path = tmp_path / "overlay.yaml"
    path.write_text(
        "schema: {path: gs://test-bucket/schemas/taxi.pbtxt}\n"
        "vertex:\n"
        "  bucket: test-bucket\n"
        "  batch: {source: [gs://test-bucket/new/*.jsonl]}\n"
        "  monitoring: {baseline: gs://test-bucket/data/train.csv, emails: [a@example.com], "
        "features: [fare], channels: [projects/p/notificationChannels/5]}\n"
    )
    return "configs/taxi.yaml", "--overlay", str(path)
