"""Settings of the push to Vertex AI."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from hilir.components.settings import PositiveInt, Section
from hilir.components.vertex.connection import check_region
from hilir.components.vertex.resource_names import Accelerator, EncryptionKey, ServiceAccount

# UploadModelRequest.model_id and CreateEndpointRequest.endpoint_id (google/cloud/aiplatform/v1); an endpoint that
# Vertex AI or Terraform made may have a number instead.
ModelId = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,62}$")]
EndpointId = Annotated[
    str,
    # YAML reads the number of an endpoint as one.
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    StringConstraints(pattern=r"^([a-z]([a-z0-9-]{0,61}[a-z0-9])?|[1-9][0-9]{0,18})$"),
]
Region = Annotated[str, AfterValidator(check_region)]
BigQueryTable = Annotated[str, StringConstraints(pattern=r"^bq://[^.]+(\.[^.]+){0,2}$")]


class RequestLog(Section):
    """Where an endpoint logs a share of its requests, for monitoring; one that logs already stays as it is."""

    table: BigQueryTable
    sampling: Annotated[float, Field(gt=0, le=1)]


class PushSettings(Section):
    """How a version is served on Vertex AI."""

    enabled: bool
    model: ModelId | None
    endpoint: EndpointId | None
    image: str
    args: list[str]
    predict_route: str | None
    health_route: str | None
    port: PositiveInt | None
    environment: dict[str, str]
    service_account: ServiceAccount | None
    machine_type: str
    min_replicas: PositiveInt
    max_replicas: PositiveInt
    accelerator: Accelerator | None
    accelerators: PositiveInt
    traffic: Annotated[int, Field(ge=0, le=100)]
    keep_versions: Annotated[int, Field(ge=2)]
    request_log: RequestLog | None

    @model_validator(mode="after")
    def _replicas_are_a_range(self) -> PushSettings:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is less than min_replicas {self.min_replicas}")
        return self


class Target(Section):
    """A place on Vertex AI, complete: what the step that pushes gets as its parameter."""

    project: str
    region: Region
    address: str | None = None
    model: ModelId
    endpoint: EndpointId
    service_account: ServiceAccount | None = None
    encryption_key: EncryptionKey | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    push: PushSettings
