"""Writes the compiled pipelines that the tests compare with: `make golden`, then look at the difference."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from hilir.pipeline.config import load
from hilir.pipeline.vertex.compile.job_file import serialize

FOLDER = Path(__file__).parent
# Configuration, and settings.
PIPELINES: dict[str, tuple[str, tuple[str, ...]]] = {
    "taxi": ("taxi", ()),
    "digits": ("digits", ()),
    "window": ("taxi", ("data.pattern=day-{SPAN}/*.csv", "data.spans.newest=7", "data.drop=[pickup_census_tract]")),
    "bigquery": (
        "taxi",
        ("data.format=bigquery", "data.query=SELECT * FROM trips.rows", "vertex.parameters=[train.epochs]"),
    ),
}
# The overlay takes these two from the environment.
SETTINGS = ("vertex.bucket=my-bucket", "vertex.image=europe-west4-docker.pkg.dev/my-project/hilir/hilir:1.0")


def render(name: str) -> str:
    """Returns the compiled pipeline as text; code fingerprints and the commit, which change every day, are fixed."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    from hilir.pipeline.graph import build
    from hilir.pipeline.inputs import find_inputs
    from hilir.pipeline.vertex.compile.compile import compile_pipeline
    from hilir.pipeline.vertex.compile.tuning import make_platform

    source, settings = PIPELINES[name]
    config = load(f"configs/{source}.yaml", ["configs/overlays/vertex.yaml"], [*SETTINGS, *settings]).config
    inputs = replace(find_inputs(config), transform_code="c0de" * 16, model_code="c0de" * 16, commit="c0de" * 10)
    return serialize(compile_pipeline(build(config, inputs, make_platform(config)), config))


if __name__ == "__main__":
    for pipeline in PIPELINES:
        path = FOLDER / f"{pipeline}.json"
        path.write_text(render(pipeline), encoding="utf-8")
        print(path)
