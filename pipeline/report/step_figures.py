"""Describes what a step made, in a few figures for the table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from hilir.pipeline.report.artifacts.anomalies import read_anomalies
from hilir.pipeline.report.artifacts.statistics import count_features
from hilir.pipeline.report.run_records import ArtifactRecord

# So many spans are named one by one.
_SPANS = 10


def describe(outputs: Mapping[str, ArtifactRecord]) -> dict[str, Any]:
    """Returns the figures of a step's outputs; empty for types that have none. Says so where one cannot be read."""
    figures: dict[str, Any] = {}
    # The store gives them in any order.
    for _, artifact in sorted(outputs.items()):
        # Our own types are named by their import paths.
        reader = _READERS.get(artifact.type.rpartition(".")[2])
        if reader is None:
            continue
        try:
            figures |= reader(artifact)
        except Exception as error:  # noqa: BLE001 - protobuf, TFRecord and JSON have errors of their own
            figures["cannot be read"] = f"{artifact.uri} ({type(error).__name__})"
    return figures


def describe_made(made: Mapping[str, Any]) -> str:
    """Returns figures as text: `rows 10,052 train, 4,950 eval · epoch 3/5`."""
    return " · ".join(_figure(name, value) for name, value in made.items())


def _figure(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{name} " + ", ".join(f"{_number(count)} {part}" for part, count in value.items())
    if isinstance(value, bool):
        return f"{'' if value else 'not '}{name}"
    return f"{name} {_number(value)}"


def _number(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _examples(artifact: ArtifactRecord) -> dict[str, Any]:
    rows = json.loads(artifact.properties["rows"]) if "rows" in artifact.properties else {}
    skipped = int(artifact.properties.get("skipped", 0))
    spans = json.loads(artifact.properties.get("spans", "[]"))
    span = artifact.properties.get("span")
    figures: dict[str, Any] = {"rows": rows} if rows else {}
    if skipped:
        figures["rows left out"] = skipped
    if len(spans) > 1:
        figures["spans"] = ", ".join(map(str, spans)) if len(spans) <= _SPANS else f"{spans[0]} … {spans[-1]}"
    elif span not in (None, "0", 0):
        figures["span"] = span
    return figures


def _statistics(artifact: ArtifactRecord) -> dict[str, Any]:
    count = count_features(artifact.uri)
    return {} if count is None else {"features": count}


def _schema(artifact: ArtifactRecord) -> dict[str, Any]:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    with open(os.path.join(artifact.uri, "schema.pbtxt"), encoding="utf-8") as file:
        return {"features": len(text_format.Parse(file.read(), schema_pb2.Schema()).feature)}


def _anomalies(artifact: ArtifactRecord) -> dict[str, Any]:
    return {"anomalies": len(read_anomalies(artifact.uri, artifact.properties))}


def _data_blessing(artifact: ArtifactRecord) -> dict[str, Any]:
    accepted = int(artifact.properties.get("accepted", 0))
    return {"data": "accepted"} | ({"accepted anomalies": accepted} if accepted else {})


def _transform_graph(artifact: ArtifactRecord) -> dict[str, Any]:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    path = os.path.join(artifact.uri, "transformed_metadata", "schema.pbtxt")
    with open(path, encoding="utf-8") as file:
        return {"transformed features": len(text_format.Parse(file.read(), schema_pb2.Schema()).feature)}


def _preflight(artifact: ArtifactRecord) -> dict[str, Any]:
    return {"checked": str(artifact.properties.get("checked", ""))}


def _tuner_results(artifact: ArtifactRecord) -> dict[str, Any]:
    trials = json.loads(_first_file(artifact, "tuner_results.json") or "[]")
    return {"trials": len(trials)} | ({"best score": float(trials[0]["score"])} if trials else {})


def _evaluation(artifact: ArtifactRecord) -> dict[str, Any]:
    from hilir.components.evaluator.results import read_metrics, read_reasons

    slices = len(read_metrics(artifact.uri))
    return {"slices": slices, "bounds broken": len(read_reasons(artifact.uri))}


def _blessing(artifact: ArtifactRecord) -> dict[str, Any]:
    return {"blessed": bool(artifact.properties.get("blessed", 0))}


def _pushed(artifact: ArtifactRecord) -> dict[str, Any]:
    if not artifact.properties.get("pushed"):
        return {"version": "none, not blessed"}
    return {"version": int(artifact.properties["pushed_version"])}


def _first_file(artifact: ArtifactRecord, name: str) -> bytes:
    for base, _, names in os.walk(artifact.uri):
        if name in names:
            with open(os.path.join(base, name), "rb") as file:
                return file.read()
    return b""


_READERS: dict[str, Callable[[ArtifactRecord], dict[str, Any]]] = {
    "Examples": _examples,
    "ExampleStatistics": _statistics,
    "Schema": _schema,
    "ExampleAnomalies": _anomalies,
    "DataBlessing": _data_blessing,
    "TransformGraph": _transform_graph,
    "PreflightReport": _preflight,
    "TunerResults": _tuner_results,
    "ModelEvaluation": _evaluation,
    "ModelBlessing": _blessing,
    "PushedModel": _pushed,
}
