"""How the pipeline runs on Vertex AI: machines, images, retries, training pools; nothing that a local run needs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from hilir.components.settings import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section
from hilir.components.vertex.connection import check_address
from hilir.components.vertex.resource_names import (
    Accelerator,
    EncryptionKey,
    Network,
    ServiceAccount,
    Subnetwork,
    region_of_key,
)
from hilir.components.vertex_pusher.settings import PushSettings, Region
from hilir.pipeline.config.cron import Cron

# https://cloud.google.com/vertex-ai/docs/general/labels: lower case letters, digits, '_' and '-', 63 of them.
_LABEL = r"^[a-z][a-z0-9_-]{0,62}$"
LabelKey = Annotated[str, StringConstraints(pattern=_LABEL)]
LabelValue = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{0,63}$")]
# https://cloud.google.com/storage/docs/buckets#naming
Bucket = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$")]


class Machine(Section):
    """What a step asks for; Vertex AI picks a machine that has it (without one: 4 cores, 16 GB)."""

    cpu: PositiveFloat | None = None
    memory_gb: PositiveFloat | None = None
    accelerator: Accelerator | None = None
    accelerators: PositiveInt = 1


class WorkerPool(Section):
    """Machines of one kind that train."""

    machine_type: str
    replicas: PositiveInt = 1
    accelerator: Accelerator | None = None
    accelerators: PositiveInt = 1
    tpu_topology: str | None = None
    disk_gb: PositiveInt = 100
    image: str | None = None


class TrainingSection(Section):
    """Training as a custom job of its own, where one machine is not enough or a machine type is to be chosen."""

    pools: list[WorkerPool]
    timeout_hours: PositiveFloat
    restart_on_worker_restart: bool
    spot: bool
    launcher: str

    @field_validator("pools")
    @classmethod
    def _pools_have_roles(cls, pools: list[WorkerPool]) -> list[WorkerPool]:
        # https://cloud.google.com/vertex-ai/docs/training/distributed-training: the place says the role.
        if pools and pools[0].replicas != 1:
            raise ValueError("the first pool is the chief and has one replica; put the workers into the second pool")
        if len(pools) > 4:
            raise ValueError("has more than four pools: chief, workers, parameter servers, evaluators")
        return pools


class TuningSection(Section):
    """The machines of a search that tries several values at a time: one for each trial at a time."""

    machine_type: str
    accelerator: Accelerator | None
    accelerators: PositiveInt
    disk_gb: PositiveInt
    timeout_hours: PositiveFloat


class DataflowSection(Section):
    """The steps whose Beam pipelines run on Dataflow, and its workers."""

    steps: list[str]
    machine_type: str
    max_workers: PositiveInt
    disk_gb: PositiveInt
    subnetwork: Subnetwork | None
    public_ips: bool


class RetriesSection(Section):
    """How often a failed step is tried again, and how long is waited."""

    count: NonNegativeInt
    backoff_seconds: NonNegativeFloat
    backoff_factor: Annotated[float, Field(ge=1)]
    max_backoff_seconds: NonNegativeFloat
    steps: dict[str, NonNegativeInt]


# https://cloud.google.com/vertex-ai/docs/predictions/get-batch-predictions: formats for TensorFlow models.
BatchFormat = Literal["jsonl", "csv", "tf-record", "bigquery"]


class BatchSection(Section):
    """A batch prediction of the model's default version."""

    source: list[str]
    source_format: BatchFormat
    destination: str | None
    destination_format: Literal["jsonl", "csv", "bigquery"]
    machine_type: str
    replicas: PositiveInt
    max_replicas: PositiveInt
    accelerator: Accelerator | None
    accelerators: PositiveInt
    batch_size: PositiveInt

    @model_validator(mode="after")
    def _places_fit_formats(self) -> BatchSection:
        for place, kind in [*((source, self.source_format) for source in self.source), *self._destination()]:
            prefix = "bq://" if kind == "bigquery" else "gs://"
            if not place.startswith(prefix):
                raise ValueError(f"'{place}' is not the {prefix}… path that the format {kind} needs")
        return self

    def _destination(self) -> list[tuple[str, str]]:
        return [(self.destination, self.destination_format)] if self.destination else []


class MonitoringSection(Section):
    """Monitoring of the model's inputs and outputs on Vertex AI (version 2, a preview)."""

    cron: Cron | None
    window_hours: PositiveInt
    baseline: str | None
    baseline_format: Literal["csv", "jsonl", "tf-record", "bigquery"]
    numeric_threshold: PositiveFloat
    categorical_threshold: PositiveFloat
    features: list[str]
    emails: list[str]
    channels: list[str]
    output: str | None


class VertexSection(Section):
    """Vertex AI Pipelines."""

    project: str | None
    region: Region
    endpoint: str | None
    bucket: Bucket | None
    service_account: ServiceAccount | None
    network: Network | None
    encryption_key: EncryptionKey | None
    labels: dict[LabelKey, LabelValue]
    image: str | None
    images: dict[str, str]
    machines: dict[str, Machine]
    dataflow: DataflowSection
    training: TrainingSection
    tuning: TuningSection
    cache: dict[str, bool]
    retries: RetriesSection
    parameters: list[str]
    push: PushSettings
    batch: BatchSection
    monitoring: MonitoringSection

    @field_validator("endpoint")
    @classmethod
    def _endpoint_gets_credentials_or_is_here(cls, endpoint: str | None) -> str | None:
        if endpoint is not None:
            check_address(endpoint)
        return endpoint

    @model_validator(mode="after")
    def _push_knows_its_project(self) -> VertexSection:
        # A step on Vertex AI runs in a project of Google's, so it cannot find out the user's by itself.
        if self.push.enabled and self.project is None:
            raise ValueError("project is not given, and the step that pushes needs it; give the project's id")
        return self

    @model_validator(mode="after")
    def _key_is_in_the_region(self) -> VertexSection:
        # The description of kms_key_name in google/cloud/aiplatform/v1/encryption_spec.proto asks for this.
        if self.encryption_key is not None and region_of_key(self.encryption_key) != self.region:
            raise ValueError(
                f"encryption_key is in {region_of_key(self.encryption_key)} and region is {self.region}; "
                f"give a key in {self.region}"
            )
        return self
