"""The TFX component of the preflight."""

import json
import logging
import os

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts

from hilir.components.preflight.artifact import PreflightReport
from hilir.components.preflight.settings import read_parameter

progress = logging.getLogger("hilir.progress")

NAME = "report.json"


@component
def Preflight(  # noqa: N802 - a component is named like a class
    examples: InputArtifact[standard_artifacts.Examples],
    transformed_examples: InputArtifact[standard_artifacts.Examples],
    transform_graph: InputArtifact[standard_artifacts.TransformGraph],
    report: OutputArtifact[PreflightReport],
    settings: Parameter[str],
) -> None:
    """Sends a few real rows through training step, signatures, metrics, golden requests and exports.

    Raises:
        ComponentError: one of them would stop the run later.
    """
    from hilir.components.preflight.preflight import Data, check

    asked = read_parameter(settings)
    found = check(
        asked,
        Data(
            train=artifact_utils.get_split_uri([transformed_examples], asked.roles.train),
            evaluation=artifact_utils.get_split_uri([transformed_examples], asked.roles.validate_),
            raw=artifact_utils.get_split_uri([examples], asked.roles.evaluate),
            transform=transform_graph.uri,
        ),
    )
    for reason in found.skipped:
        progress.warning("skipped: %s", reason)
    report.set_string_custom_property("checked", str(found))
    fileio.makedirs(report.uri)
    with fileio.open(os.path.join(report.uri, NAME), "w") as file:
        file.write(json.dumps(found.as_dict(), indent=2, ensure_ascii=False) + "\n")
