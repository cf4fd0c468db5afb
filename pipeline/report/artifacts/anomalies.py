"""Reads what ExampleValidator wrote: where the data is not what its schema says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any


def read_anomalies(uri: str, properties: Mapping[str, Any]) -> list[dict[str, str]]:
    """Returns `{split, feature, severity, what, detail}` per anomaly; the feature of one of the whole split is ''.

    Args:
        uri: of the artifact.
        properties: those of the artifact, with `split_names` as JSON.
    """
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    found = []
    for split in json.loads(properties["split_names"]):
        with open(os.path.join(uri, f"Split-{split}", "SchemaDiff.pb"), "rb") as file:
            anomalies = anomalies_pb2.Anomalies.FromString(file.read())
        named = [*anomalies.anomaly_info.items()]
        if anomalies.HasField("dataset_anomaly_info"):
            named.append(("", anomalies.dataset_anomaly_info))
        found += [
            {
                "split": split,
                "feature": name,
                "severity": anomalies_pb2.AnomalyInfo.Severity.Name(info.severity).lower(),
                "what": info.short_description,
                "detail": info.description,
            }
            for name, info in sorted(named)
        ]
    return found
