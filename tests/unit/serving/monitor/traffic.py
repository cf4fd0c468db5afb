"""A version with a reference, and logs as our server writes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from hilir.analysis.quality import fit_quality
from hilir.analysis.reference import Reference, summarize_categories, summarize_numbers, to_json
from hilir.serving.monitor.settings import MonitorSettings, Project

ROWS = 5000


def make_reference(rng, **features):
    columns = {"x": summarize_numbers(rng.normal(size=ROWS)), **features}
    scores = {"p": summarize_numbers(rng.beta(2, 2, ROWS))}
    places = rng.choice(["north", "south", "east"], ROWS, p=[0.5, 0.45, 0.05])
    columns["place"] = summarize_categories(places.tolist(), ROWS, 0)
    labels = rng.random(ROWS) < 0.5
    columns["label"] = summarize_numbers(rng.normal(size=ROWS))
    quality = fit_quality("p", "y", np.where(labels, rng.beta(3, 1, ROWS), rng.beta(1, 3, ROWS)), labels)
    return Reference(columns, scores, quality)


def write_version(root: Path, version: int, reference: Reference) -> None:
    folder = root / "m" / str(version) / "assets.extra"
    folder.mkdir(parents=True)
    (folder / "reference.json").write_text(to_json(reference))


def project(tmp_path: Path, **settings) -> Project:
    values = {"log": str(tmp_path / "log" / "requests"), "state": str(tmp_path / "state"), "window_seconds": 0.0}
    return Project(model="m", root=tmp_path / "models", settings=MonitorSettings(**(values | settings)))


def line(inputs, outputs, *, number=0, version=1, at=1000.0, model="m", **more):
    entry = {
        "time": at,
        "request_id": f"id-{number}",
        "model": model,
        "version": version,
        "label": "stable",
        "signature": "serving_default",
        "method": "predict",
        "protocol": "REST",
        "microseconds": 100.0,
        "inputs": inputs,
        "outputs": outputs,
    } | more
    return json.dumps(entry).encode() + b"\n"


def draw(rng, rows, shift=0.0):
    """Inputs and outputs of a request of rows."""
    inputs = {
        "x": np.float64(rng.normal(shift, 1, rows)).tolist(),
        "place": rng.choice(["north", "south", "east"], rows, p=[0.5, 0.45, 0.05]).tolist(),
    }
    return inputs, {"p": [[value] for value in rng.beta(2, 2, rows)]}


def write_log(tmp_path: Path, lines, name="requests.jsonl") -> Path:
    path = tmp_path / "log" / name
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.writelines(lines)
    return path
