"""The TFX component of the gate."""

import json
import os

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact, artifact_utils, standard_artifacts

from hilir.components.data_gate.gate import explain, find_refusals
from hilir.components.errors import DataRefused


class DataBlessing(artifact.Artifact):
    """Says that the data passed the gate; the custom property `accepted` counts the anomalies that were let pass.

    Vertex AI takes no declared properties of a type that is not TFX's own
    (tfx/orchestration/kubeflow/v2/compiler_utils.py, get_artifact_schema).
    """

    TYPE_NAME = "hilir.DataBlessing"


@component
def DataGate(  # noqa: N802 - a component is named like a class
    anomalies: InputArtifact[standard_artifacts.ExampleAnomalies],
    blessing: OutputArtifact[DataBlessing],
    fail_on: Parameter[str],
    accept: Parameter[str],
) -> None:
    """Stops the run on anomalies of severity `fail_on` or above that `accept` (JSON) does not name.

    Raises:
        DataRefused: there is such an anomaly.
    """
    found = {}
    for split in artifact_utils.decode_split_names(anomalies.split_names):
        path = os.path.join(artifact_utils.get_split_uri([anomalies], split), "SchemaDiff.pb")
        with fileio.open(path, "rb") as file:
            found[split] = anomalies_pb2.Anomalies.FromString(file.read())
    refusals = find_refusals(found, fail_on, json.loads(accept))
    if refusals:
        raise DataRefused(explain(refusals, fail_on))
    blessing.set_int_custom_property("accepted", len(find_refusals(found, "warning", {})))
    fileio.makedirs(blessing.uri)
    with fileio.open(os.path.join(blessing.uri, "BLESSED"), "w") as file:
        file.write("")
