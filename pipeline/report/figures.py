"""Describes what a step made, in a few figures for the table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from hilir.pipeline.report.records import ArtifactRecord

# So many spans are named one by one.
_SPANS = 10


def describe(outputs: Mapping[str, ArtifactRecord]) -> dict[str, Any]:
    """Returns the figures of a step's outputs; empty for types that have none."""
    figures: dict[str, Any] = {}
    # The store gives them in any order.
    for _, artifact in sorted(outputs.items()):
        # Our own types are named by their import paths.
        reader = _READERS.get(artifact.type.rpartition(".")[2])
        if reader is not None:
            figures |= reader(artifact)
    return figures


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
    from tensorflow_metadata.proto.v0 import statistics_pb2

    text = _first_file(artifact, "FeatureStats.pb")
    datasets = statistics_pb2.DatasetFeatureStatisticsList.FromString(text).datasets if text else []
    return {"features": len(datasets[0].features)} if datasets else {}


def _schema(artifact: ArtifactRecord) -> dict[str, Any]:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    with open(os.path.join(artifact.uri, "schema.pbtxt"), encoding="utf-8") as file:
        return {"features": len(text_format.Parse(file.read(), schema_pb2.Schema()).feature)}


def _anomalies(artifact: ArtifactRecord) -> dict[str, Any]:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    count = 0
    for split in json.loads(artifact.properties["split_names"]):
        path = os.path.join(artifact.uri, f"Split-{split}", "SchemaDiff.pb")
        with open(path, "rb") as file:
            count += len(anomalies_pb2.Anomalies.FromString(file.read()).anomaly_info)
    return {"anomalies": count}


def _data_blessing(artifact: ArtifactRecord) -> dict[str, Any]:
    accepted = int(artifact.properties.get("accepted", 0))
    return {"data": "accepted"} | ({"anomalies let pass": accepted} if accepted else {})


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
