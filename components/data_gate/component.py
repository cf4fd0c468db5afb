"""The TFX component of the gate."""

import json
import os
from dataclasses import asdict

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact, artifact_utils, standard_artifacts

from hilir.components.data_gate.data_drift import find_drift
from hilir.components.data_gate.findings import DataReport, write_report
from hilir.components.data_gate.gate import explain, explain_drift, find_refusals
from hilir.components.data_gate.last_push import name_version
from hilir.components.data_gate.unexpected import describe_unexpected
from hilir.components.data_gate.validator import read_noted_uses, read_origin
from hilir.components.errors import DataRefused


class DataBlessing(artifact.Artifact):
    """Says that the data passed the gate; the custom property `accepted` counts the anomalies that were accepted.

    Vertex AI takes no declared properties of a type that is not TFX's own
    (tfx/orchestration/kubeflow/v2/compiler_utils.py, get_artifact_schema).
    """

    TYPE_NAME = "hilir.DataBlessing"


@component
def DataGate(  # noqa: N802 - a component is named like a class
    anomalies: InputArtifact[standard_artifacts.ExampleAnomalies],
    examples: InputArtifact[standard_artifacts.Examples],
    blessing: OutputArtifact[DataBlessing],
    fail_on: Parameter[str],
    accept: Parameter[str],
    drift: Parameter[str],
    trained_on: Parameter[str],
    last_push: InputArtifact[standard_artifacts.PushedModel] = None,
) -> None:
    """Stops the run on anomalies of severity `fail_on` or above that `accept` (JSON) does not name, and on drift.

    `drift` is `off`, `warn` or `fail`, which stops at the level alarm; it is that of the split `trained_on`.

    Raises:
        DataRefused: there is such an anomaly, or alarming drift.
    """
    found, unexpected = {}, {}
    for split in artifact_utils.decode_split_names(anomalies.split_names):
        path = os.path.join(artifact_utils.get_split_uri([anomalies], split), "SchemaDiff.pb")
        with fileio.open(path, "rb") as file:
            found[split] = anomalies_pb2.Anomalies.FromString(file.read())
        unexpected[split] = describe_unexpected(found[split], artifact_utils.get_split_uri([examples], split))
    origin = read_origin(anomalies)
    refusals = find_refusals(found, fail_on, json.loads(accept), unexpected)
    if refusals:
        raise DataRefused(explain(refusals, fail_on, origin))
    uses = read_noted_uses(anomalies)
    drifted = None if drift == "off" else find_drift(last_push, examples, trained_on, uses.unread)
    alarming = [finding for finding in drifted or [] if finding.level == "alarm"]
    if alarming and drift == "fail":
        raise DataRefused(explain_drift(alarming, name_version(last_push)))
    let_pass = find_refusals(found, "warning", {}, unexpected)
    blessing.set_int_custom_property("accepted", len(let_pass))
    report = DataReport(
        checked_against=origin,
        anomalies=[str(each) for each in let_pass if not (each.is_about_empty_cells and each.feature in uses.filled)],
        filled=dict(sorted(uses.filled.items())),
        drift_since=name_version(last_push) if drifted is not None else "",
        drift=[asdict(each) | {"line": str(each)} for each in drifted or []],
    )
    write_report(blessing.uri, report)
