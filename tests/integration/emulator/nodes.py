"""Components for small pipelines (no postponed annotations: TFX reads them)."""

from tfx.dsl.component.experimental.annotations import OutputArtifact, OutputDict, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact, standard_artifacts


class Unnamed(artifact.Artifact):
    TYPE_NAME = "Unnamed"
    PROPERTIES = {"rows": artifact.Property(type=artifact.PropertyType.INT)}  # noqa: RUF012 - TFX's form


@component
def MakeModel(model: OutputArtifact[standard_artifacts.Model], note: OutputArtifact[Unnamed], size: Parameter[int]):
    del model, note, size


@component
def Count(model: OutputArtifact[standard_artifacts.Model]) -> OutputDict(n=int):
    del model
    return {"n": 3}


@component
def Use(n: Parameter[int]):
    del n


@component
def Examples(examples: OutputArtifact[standard_artifacts.Examples]):
    del examples
