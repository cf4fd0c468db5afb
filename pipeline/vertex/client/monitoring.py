"""Monitoring of a model on Vertex AI (version 2, a preview in v1beta1), as section `vertex.monitoring` describes it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.errors import VertexError
from hilir.components.vertex.retry import ANSWER_SECONDS, call, lookup, wait_for
from hilir.components.vertex_pusher.endpoint import require
from hilir.components.vertex_pusher.registry import list_versions
from hilir.components.vertex_pusher.settings import Target
from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.vertex.client.batch_prediction import in_bucket
from hilir.pipeline.vertex.client.bucket import read_text

# ModelMonitoringSchema.FieldSchema.data_type (google/cloud/aiplatform/v1beta1/model_monitor.proto).
_TYPES = {"FLOAT": "float", "INT": "integer", "BYTES": "categorical"}
_FORMATS = {"csv": "CSV", "jsonl": "JSONL", "tf-record": "TF_RECORD"}


@dataclass(frozen=True)
class Monitor:
    """What was made: the monitor's full name, and that of its schedule or of its one analysis."""

    name: str
    analysis: str


def monitor_model(
    config: Config, connection: Connection, target: Target, note: Callable[[str], None] = lambda _: None
) -> Monitor:
    """Makes or updates the model's monitor, and its schedule or one analysis of the endpoint's requests.

    Repeated, it updates what is there; an analysis without a schedule is made anew each time.

    Raises:
        ConfigError: the configuration does not say enough for it.
        VertexError: it was refused, or the endpoint logs no requests.
    """
    endpoint = require(connection, target)
    if not endpoint.logs:
        raise VertexError(
            f"the endpoint {target.endpoint} logs no requests, so there is nothing to analyse; name a table in "
            f"vertex.push.request_log and let a run push a version, or set the variable request_log of deploy/vertex "
            f"if Terraform made the endpoint"
        )
    name = _ensure_monitor(config, connection, target, note)
    job = _job(config, endpoint.name)
    if config.vertex.monitoring.cron:
        return Monitor(name, _ensure_schedule(config, connection, name, job, note))
    return Monitor(name, _run_once(connection, name, job, note))


def make_monitor(config: Config, connection: Connection, target: Target) -> dict[str, Any]:
    """Returns a ModelMonitor for the model's default version.

    Raises:
        ConfigError: no schema or no baseline is given, or a feature is unknown.
    """
    versions = list_versions(connection, target)
    default = next((version for version in versions if version.default), None)
    if default is None:
        raise ConfigError(f"there is no version of the model {target.model} to monitor; run the pipeline first")
    monitor: dict[str, Any] = {
        "display_name": target.model,
        "model_monitoring_target": {
            "vertex_model": {"model": connection.name("models", target.model), "model_version_id": default.id}
        },
        "model_monitoring_schema": {"feature_fields": read_fields(config, connection)},
        "training_dataset": _baseline(config),
    }
    if config.vertex.encryption_key:
        monitor["encryption_spec"] = {"kms_key_name": config.vertex.encryption_key}
    return monitor


def read_fields(config: Config, connection: Connection) -> list[dict[str, Any]]:
    """Returns name and type of each raw feature that the served model reads, from the pipeline's schema."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    path = config.schema_.path
    if path is None:
        raise ConfigError(
            "schema.path: is not given, and monitoring needs the types of the features; give a schema file"
        )
    text = read_text(connection, path) if path.startswith("gs://") else Path(path).read_text(encoding="utf-8")
    schema = text_format.Parse(text, schema_pb2.Schema())
    hidden = getattr(import_module(f"{config.model.package}.features"), "LABEL_COLUMNS", None)
    if hidden is None:
        # The package does not name them: its preprocessing_fn is traced, which takes TensorFlow.
        from hilir.components.schema.label_only_columns import read_label_columns

        hidden = read_label_columns(schema, config.model.package)
    fields = [_field(feature) for feature in schema.feature if feature.name not in hidden]
    unknown = sorted(set(config.vertex.monitoring.features) - {field["name"] for field in fields})
    if unknown:
        known = ", ".join(field["name"] for field in fields)
        raise ConfigError(f"vertex.monitoring.features: the model reads no '{unknown[0]}'; it reads {known}")
    return fields


def _field(feature: Any) -> dict[str, Any]:
    from tensorflow_metadata.proto.v0 import schema_pb2

    many = feature.value_count.max > 1 or any(dimension.size > 1 for dimension in feature.shape.dim)
    kind = _TYPES[schema_pb2.FeatureType.Name(feature.type)]
    return {"name": feature.name, "data_type": kind, "repeated": many}


def _baseline(config: Config) -> dict[str, Any]:
    monitoring = config.vertex.monitoring
    if monitoring.baseline is None:
        raise ConfigError(
            "vertex.monitoring.baseline: is not given; name what to compare with, for example the training data as "
            "gs://BUCKET/data.csv or bq://PROJECT.DATASET.TABLE"
        )
    if monitoring.baseline_format == "bigquery":
        return {"columnized_dataset": {"bigquery_source": {"table_uri": monitoring.baseline}}}
    source = {"gcs_uri": monitoring.baseline, "format_": _FORMATS[monitoring.baseline_format]}
    return {"columnized_dataset": {"gcs_source": source}}


def _job(config: Config, endpoint: str) -> dict[str, Any]:
    """Returns a ModelMonitoringJob: drift of the inputs and outputs in the last window of the endpoint's log."""
    monitoring = config.vertex.monitoring
    drift: dict[str, Any] = {
        "categorical_metric_type": "l_infinity",
        "numeric_metric_type": "jensen_shannon_divergence",
        "default_categorical_alert_condition": {"threshold": monitoring.categorical_threshold},
        "default_numeric_alert_condition": {"threshold": monitoring.numeric_threshold},
        "features": list(monitoring.features),
    }
    window = {"offset": "0h", "window": f"{monitoring.window_hours}h"}
    return {
        "display_name": config.model.name,
        "model_monitoring_spec": {
            "objective_spec": {
                "tabular_objective": {"feature_drift_spec": drift},
                "target_dataset": {"vertex_endpoint_logs": {"endpoints": [endpoint]}, "time_offset": window},
            },
            "output_spec": {
                "gcs_base_directory": {"output_uri_prefix": monitoring.output or in_bucket(config, "monitoring")}
            },
            "notification_spec": {
                "email_config": {"user_emails": list(monitoring.emails)},
                "enable_cloud_logging": True,
                "notification_channel_configs": [{"notification_channel": name} for name in monitoring.channels],
            },
        },
    }


def _ensure_monitor(config: Config, connection: Connection, target: Target, note: Callable[[str], None]) -> str:
    client = connection.client("monitoring")
    monitor = make_monitor(config, connection, target)
    identifier = target.model.replace("_", "-").strip("-")
    name = connection.name("modelMonitors", identifier)
    what = f"make the monitor {identifier}"

    def find() -> Any | None:
        return lookup(
            connection,
            f"read the monitor {identifier}",
            lambda: client.get_model_monitor(request={"name": name}, retry=None, timeout=ANSWER_SECONDS),
        )

    if find() is None:
        request = {"parent": connection.parent, "model_monitor": monitor, "model_monitor_id": identifier}
        started = call(
            connection,
            what,
            lambda: client.create_model_monitor(request=request, retry=None, timeout=ANSWER_SECONDS),
            find=find,
            note=note,
        )
    else:
        what = f"change the monitor {identifier}"
        request = {
            "model_monitor": {"name": name, **monitor},
            "update_mask": "modelMonitoringTarget,modelMonitoringSchema,trainingDataset",
        }
        started = call(
            connection,
            what,
            lambda: client.update_model_monitor(request=request, retry=None, timeout=ANSWER_SECONDS),
            note=note,
        )
    if hasattr(started, "operation"):
        wait_for(connection, "monitoring", what, started)
    return name


def _run_once(connection: Connection, monitor: str, job: Mapping[str, Any], note: Callable[[str], None]) -> str:
    client, identifier = connection.client("monitoring"), f"run-{secrets.token_hex(6)}"
    request = {"parent": monitor, "model_monitoring_job": job, "model_monitoring_job_id": identifier}
    name = f"{monitor}/modelMonitoringJobs/{identifier}"
    made = call(
        connection,
        "start an analysis",
        lambda: client.create_model_monitoring_job(request=request, retry=None, timeout=ANSWER_SECONDS),
        find=lambda: lookup(
            connection,
            "read the analysis",
            lambda: client.get_model_monitoring_job(request={"name": name}, retry=None, timeout=ANSWER_SECONDS),
        ),
        note=note,
    )
    return str(made.name)


def _ensure_schedule(
    config: Config, connection: Connection, monitor: str, job: Mapping[str, Any], note: Callable[[str], None]
) -> str:
    """Makes or changes the schedule of the analyses; it is found by its name and by the monitor it belongs to."""
    client = connection.client("monitoring schedules")
    name = f"{monitor.rpartition('/')[2]}-monitoring"

    def find() -> Any | None:
        listing = {"parent": connection.parent, "filter": f'display_name="{name}"'}
        found = call(
            connection,
            "list the schedules",
            lambda: list(client.list_schedules(request=listing, retry=None, timeout=ANSWER_SECONDS)),
        )
        return next((schedule for schedule in found if schedule.display_name == name), None)

    schedule: dict[str, Any] = {
        "display_name": name,
        "cron": config.vertex.monitoring.cron,
        "max_concurrent_run_count": 1,
        "create_model_monitoring_job_request": {"parent": monitor, "model_monitoring_job": job},
    }
    present = find()
    if present is None:
        request: dict[str, Any] = {"parent": connection.parent, "schedule": schedule}
        made = call(
            connection,
            f"create the schedule {name}",
            lambda: client.create_schedule(request=request, retry=None, timeout=ANSWER_SECONDS),
            find=find,
            note=note,
        )
        return str(made.name)
    request = {
        "schedule": {"name": present.name, **schedule},
        "update_mask": "cron,createModelMonitoringJobRequest",
    }
    call(
        connection,
        f"change the schedule {name}",
        lambda: client.update_schedule(request=request, retry=None, timeout=ANSWER_SECONDS),
        note=note,
    )
    return str(present.name)
