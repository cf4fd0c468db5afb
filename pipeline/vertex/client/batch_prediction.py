"""Batch predictions on Vertex AI, as section `vertex.batch` describes it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.retry import ANSWER_SECONDS, call
from hilir.components.vertex_pusher.settings import Target
from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.vertex.client.job_request import make_id

# By this label a job is found whose creation was not answered; the service takes no id from its clients.
_REQUEST = "hilir-request"


def make_batch_job(config: Config, connection: Connection, target: Target, version: int | None) -> Any:
    """Returns a BatchPredictionJob for a version of the model, None: for its default version.

    Raises:
        ConfigError: `vertex.batch` does not say what to read, or where to write.
    """
    from google.cloud.aiplatform_v1 import BatchPredictionJob

    batch, vertex = config.vertex.batch, config.vertex
    if not batch.source:
        raise ConfigError(
            "vertex.batch.source: is empty; name the files to predict, for example [gs://BUCKET/new/*.jsonl]"
        )
    model = connection.name("models", target.model)
    body: dict[str, Any] = {
        "display_name": make_id(config.model.name),
        "model": f"{model}@v{version}" if version else model,
        "input_config": {"instances_format": batch.source_format, **_source(config)},
        "output_config": {"predictions_format": batch.destination_format, **_destination(config)},
        "dedicated_resources": {
            "machine_spec": _machine(config),
            "starting_replica_count": batch.replicas,
            "max_replica_count": batch.max_replicas,
        },
        "manual_batch_tuning_parameters": {"batch_size": batch.batch_size},
        "labels": {**vertex.labels, _REQUEST: secrets.token_hex(8)},
    }
    if vertex.service_account:
        body["service_account"] = vertex.service_account
    if vertex.encryption_key:
        body["encryption_spec"] = {"kms_key_name": vertex.encryption_key}
    return BatchPredictionJob(body)


def create_batch_job(connection: Connection, job: Any, note: Callable[[str], None]) -> Any:
    """Creates the job once and returns it.

    Raises:
        VertexError: it was refused.
    """
    client, token = connection.client("jobs"), job.labels[_REQUEST]
    listing = {"parent": connection.parent, "filter": f"labels.{_REQUEST}={token}"}

    def find() -> Any | None:
        jobs = call(
            connection,
            "list the batch predictions",
            lambda: list(client.list_batch_prediction_jobs(request=listing, retry=None, timeout=ANSWER_SECONDS)),
        )
        return next((found for found in jobs if found.labels.get(_REQUEST) == token), None)

    return call(
        connection,
        f"create the batch prediction {job.display_name}",
        lambda: client.create_batch_prediction_job(
            request={"parent": connection.parent, "batch_prediction_job": job}, retry=None, timeout=ANSWER_SECONDS
        ),
        find=find,
        note=note,
    )


def _source(config: Config) -> dict[str, Any]:
    batch = config.vertex.batch
    if batch.source_format == "bigquery":
        return {"bigquery_source": {"input_uri": batch.source[0]}}
    return {"gcs_source": {"uris": list(batch.source)}}


def _destination(config: Config) -> dict[str, Any]:
    batch = config.vertex.batch
    if batch.destination_format == "bigquery":
        if batch.destination is None:
            raise ConfigError(
                "vertex.batch.destination: is not given; name a dataset, for example bq://PROJECT.DATASET"
            )
        return {"bigquery_destination": {"output_uri": batch.destination}}
    return {"gcs_destination": {"output_uri_prefix": batch.destination or in_bucket(config, "predictions")}}


def in_bucket(config: Config, folder: str) -> str:
    """Returns the model's part of a folder in `vertex.bucket`.

    Raises:
        ConfigError: there is no bucket.
    """
    if config.vertex.bucket is None:
        raise ConfigError(f"vertex.bucket: is not given; name the bucket for {folder}, without gs://")
    return f"gs://{config.vertex.bucket}/{folder}/{config.model.name}"


def _machine(config: Config) -> dict[str, Any]:
    batch = config.vertex.batch
    machine: dict[str, Any] = {"machine_type": batch.machine_type}
    if batch.accelerator:
        machine |= {"accelerator_type": batch.accelerator, "accelerator_count": batch.accelerators}
    return machine
