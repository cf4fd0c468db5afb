"""The whole configuration, one frozen object."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from hilir.components.evaluator.metric_classes import KERAS_LACKS
from hilir.components.evaluator.settings import EvaluateSettings
from hilir.components.exporter.settings import ExportSettings
from hilir.components.settings import Section
from hilir.components.trainer.settings import TrainSettings
from hilir.pipeline.config.data import BeamSection, DataSection, SchemaSection, TransformSection, ValidationSection
from hilir.pipeline.config.report import CardSection, ReportSection
from hilir.pipeline.config.vertex import VertexSection
from hilir.pipeline.config.watch import WatchSection
from hilir.serving.monitor.settings import MonitorSettings
from hilir.serving.notify import Channel

# The rule that Vertex AI Pipelines has for pipeline names holds everywhere, so that a name never has to change.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,127}$")]


class ModelSection(Section):
    """The model: its name where it is served, and the package that defines it."""

    name: Name
    package: str


class PipelineSection(Section):
    """Where a run keeps its artifacts, and whether unchanged steps are skipped."""

    root: str
    runs: str
    cache: bool | dict[str, bool]

    def list_uncached(self) -> tuple[str, ...]:
        """Returns the steps that run also if nothing changed, where not all do."""
        return () if isinstance(self.cache, bool) else tuple(name for name, cached in self.cache.items() if not cached)


class ServingSection(Section):
    """Where versions are pushed to."""

    root: str


class ReleaseSection(Section):
    """How versions are released: `required` asks for another actor's approval before a version gets traffic."""

    approval: Literal["none", "required"]


class Config(Section):
    """The effective configuration of one pipeline."""

    model: ModelSection
    pipeline: PipelineSection
    data: DataSection
    schema_: SchemaSection = Field(alias="schema")
    validation: ValidationSection
    transform: TransformSection
    train: TrainSettings
    evaluate: EvaluateSettings
    export: ExportSettings
    serving: ServingSection
    release: ReleaseSection
    notify: list[Channel]
    report: ReportSection
    card: CardSection
    beam: BeamSection
    monitor: MonitorSettings
    watch: WatchSection
    vertex: VertexSection

    @model_validator(mode="after")
    def _export_metric_is_evaluated(self) -> Config:
        metrics = [metric.name for metric in self.evaluate.metrics]
        if self.export.metric is not None and self.export.metric not in metrics:
            raise ValueError(
                f"export.metric names the metric '{self.export.metric}', which is not among evaluate.metrics {metrics}"
            )
        if self.export.tflite.variants or self.export.tfjs.variants:
            self._check_export_metric(self.export.metric or self.evaluate.thresholds[0].metric)
        return self

    def _check_export_metric(self, name: str) -> None:
        """Exports are compared by Keras, which has fewer metrics than TFMA."""
        fit = [
            metric.name
            for metric in self.evaluate.metrics
            if metric.top_k is None
            and metric.k is None
            and (metric.module is not None or metric.metric not in KERAS_LACKS)
        ]
        if name not in fit:
            remedy = f"set it to one of {fit}" if fit else "add one of class AUC or SparseCategoricalAccuracy"
            raise ValueError(f"export.metric: exports cannot be compared by the metric '{name}'; {remedy}")
