"""Pipeline jobs, schedules, batch predictions, custom jobs and monitors of the server."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.cloud import aiplatform_v1 as v1
from google.cloud import aiplatform_v1beta1 as beta
from google.protobuf import json_format

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.parameters import set_parameters
from hilir.pipeline.spec.specification import parse as parse_specification
from hilir.pipeline.vertex.compile.lint import check_job
from tests.contract.vertex.faults import ApiError, invalid
from tests.contract.vertex.running import Running, State, whole
from tests.contract.vertex.store import Store, apply_mask, canonical, check_common, dump, parse

JOB_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,126}")
ENDED = {"PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED"}
JSON = dict[str, Any]


def state_name(message: Any) -> str:
    return next(name for name, value in State.items() if value.number == message.state)


def check_pipeline_job(store: Store, message: Any) -> None:
    """Refuses what Vertex AI would refuse when a job is created."""
    check_common(message)
    body = whole(json_format.MessageToDict(message))
    for field in ("name", "state", "createTime", "jobDetail", "error"):
        if field in body:
            raise invalid(f"The output-only field {field} must not be set.")
    root = message.runtime_config.gcs_output_directory
    if not root.startswith("gs://"):
        raise invalid("runtime_config.gcs_output_directory must be a Cloud Storage path.")
    if not store.local(f"gs://{root.removeprefix('gs://').partition('/')[0]}").is_dir():
        raise ApiError(400, "FAILED_PRECONDITION", f"The bucket of {root} does not exist.")
    runtime = {key: value for key, value in body["runtimeConfig"].items() if key != "failurePolicy"}
    job = {"displayName": message.display_name, "pipelineSpec": body.get("pipelineSpec", {}), "runtimeConfig": runtime}
    try:
        faults = check_job(job)
        if not faults:
            set_parameters(parse_specification(job), [])
    except (ConfigError, KeyError) as error:
        faults = [str(error)]
    if faults:
        raise invalid(f"Invalid pipeline job: {faults[0]}")


class Pipelines:
    """Pipeline jobs; each runs in the emulator."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.running: dict[str, Running] = {}
        self.fast = False

    def create(self, parent: str, query: JSON, body: Any) -> JSON:
        message = parse(v1.PipelineJob, body)
        check_pipeline_job(self.store, message)
        identifier = query.get("pipelineJobId") or f"{message.display_name}-{self.store.number()}"
        if not JOB_ID.fullmatch(identifier):
            raise invalid(f"Invalid pipeline_job_id {identifier}.")
        return dump(self.launch(parent, identifier, message))

    def launch(self, parent: str, identifier: str, message: Any) -> Any:
        self.store.add("pipelineJobs", f"{canonical(parent)}/pipelineJobs/{identifier}", message)
        message.create_time.GetCurrentTime()
        running = Running(message, self.store.buckets, self.store.folder / "emulation", fast=self.fast)
        self.running[message.name] = running
        running.start()
        return message

    def get(self, name: str, query: JSON, body: Any) -> JSON:
        message = self.store.get("pipelineJobs", name)
        self.running[message.name].detail()
        return dump(message)

    def list(self, parent: str, query: JSON, body: Any) -> JSON:
        canonical(parent)
        if query.get("orderBy", "create_time desc") != "create_time desc":
            raise invalid(f"Unsupported order_by {query['orderBy']}")
        found = self.store.find("pipelineJobs", query.get("filter", ""))
        mask = [path for path in query.get("readMask", "").split(",") if path]
        size = int(query.get("pageSize", 100))
        shown = [dump(message) for message in found[:size]]
        if mask:
            shown = [{key: value for key, value in message.items() if key in mask} for message in shown]
        return {"pipelineJobs": shown}

    def cancel(self, name: str, query: JSON, body: Any) -> JSON:
        message = self.store.get("pipelineJobs", name)
        if state_name(message) in ENDED:
            raise ApiError(
                400, "FAILED_PRECONDITION", f"The PipelineJob is in a terminal state: {state_name(message)}."
            )
        self.running[message.name].cancel()
        return {}


class Schedules:
    """Schedules of pipelines and of monitoring; `tick` makes one's next run."""

    def __init__(self, store: Store, pipelines: Pipelines) -> None:
        self.store, self.pipelines = store, pipelines

    def check(self, schedule: Any) -> None:
        if not 0 < len(schedule.display_name) <= 128:
            raise invalid("display_name is required and has at most 128 characters.")
        fields = schedule.cron.split()
        if fields and fields[0].startswith(("TZ=", "CRON_TZ=")):
            try:
                ZoneInfo(fields.pop(0).partition("=")[2])
            except (ZoneInfoNotFoundError, ValueError):
                raise invalid(f"Invalid time zone in cron {schedule.cron}") from None
        if len(fields) != 5:
            raise invalid(f"Invalid cron: {schedule.cron}")
        if schedule.max_concurrent_run_count < 1:
            raise invalid("max_concurrent_run_count is required.")
        if schedule.WhichOneof("request") == "create_pipeline_job_request":
            request = schedule.create_pipeline_job_request
            canonical(request.parent)
            if request.pipeline_job_id:
                raise invalid("pipeline_job_id must not be set in a schedule.")
            check_pipeline_job(self.store, _as_v1(request.pipeline_job))
        elif schedule.WhichOneof("request") == "create_model_monitoring_job_request":
            self.store.get("modelMonitors", schedule.create_model_monitoring_job_request.parent)
        else:
            raise invalid("A request is required.")

    def create(self, parent: str, query: JSON, body: Any, kind: Any = v1.Schedule) -> JSON:
        schedule = parse(kind, body)
        self.check(schedule)
        schedule.state = 1
        schedule.create_time.GetCurrentTime()
        schedule.next_run_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
        return dump(self.store.add("schedules", f"{canonical(parent)}/schedules/{self.store.number()}", schedule))

    def create_beta(self, parent: str, query: JSON, body: Any) -> JSON:
        return self.create(parent, query, body, beta.Schedule)

    def get(self, name: str, query: JSON, body: Any) -> JSON:
        return dump(self.store.get("schedules", name))

    def list(self, parent: str, query: JSON, body: Any) -> JSON:
        canonical(parent)
        found = self.store.find("schedules", query.get("filter", ""))
        size = 2
        start = int(query.get("pageToken") or 0)
        more = {"nextPageToken": str(start + size)} if start + size < len(found) else {}
        return {"schedules": [_for_v1(schedule) for schedule in found[start : start + size]], **more}

    def list_beta(self, parent: str, query: JSON, body: Any) -> JSON:
        return {"schedules": [dump(schedule) for schedule in self.store.find("schedules", query.get("filter", ""))]}

    def pause(self, name: str, query: JSON, body: Any) -> JSON:
        return self._switch(name, 1, 2)

    def resume(self, name: str, query: JSON, body: Any) -> JSON:
        schedule = self.store.get("schedules", name)
        schedule.catch_up = bool((body or {}).get("catchUp"))
        return self._switch(name, 2, 1)

    def _switch(self, name: str, before: int, after: int) -> JSON:
        schedule = self.store.get("schedules", name)
        if schedule.state != before:
            raise ApiError(400, "FAILED_PRECONDITION", f"The Schedule {name} is not in the right state.")
        schedule.state = after
        return {}

    def update(self, name: str, query: JSON, body: Any, kind: Any = v1.Schedule) -> JSON:
        schedule = self.store.get("schedules", name)
        allowed = {
            "cron", "max_concurrent_run_count", "allow_queueing", "max_run_count", "start_time", "end_time",
            "display_name", "create_pipeline_job_request", "create_model_monitoring_job_request",
        }  # fmt: skip
        changed = type(schedule)()
        changed.CopyFrom(schedule)
        apply_mask(changed, parse(kind, body), query.get("updateMask", ""), allowed)
        self.check(changed)
        schedule.CopyFrom(changed)
        schedule.update_time.GetCurrentTime()
        return dump(schedule)

    def update_beta(self, name: str, query: JSON, body: Any) -> JSON:
        return self.update(name, query, body, beta.Schedule)

    def delete(self, name: str, query: JSON, body: Any) -> JSON:
        schedule = self.store.get("schedules", name)
        del self.store.all("schedules")[schedule.name]
        from google.protobuf.empty_pb2 import Empty

        return self.store.operate(name, Empty, 0, None)

    def tick(self, display_name: str) -> str | None:
        """Makes the run that is due, unless as many as are allowed go on; returns the job's name."""
        (schedule,) = [s for s in self.store.all("schedules").values() if s.display_name == display_name]
        jobs = [job for job in self.store.all("pipelineJobs").values() if job.schedule_name == schedule.name]
        active = [job for job in jobs if state_name(job) not in ENDED]
        if schedule.state != 1 or len(active) >= schedule.max_concurrent_run_count:
            return None
        request = schedule.create_pipeline_job_request
        message = v1.PipelineJob.pb(v1.PipelineJob())
        message.CopyFrom(request.pipeline_job)
        message.schedule_name = schedule.name
        schedule.started_run_count += 1
        identifier = f"{message.display_name}-{self.store.number()}"
        return str(self.pipelines.launch(request.parent, identifier, message).name)


class OtherJobs:
    """Batch predictions, custom jobs, and monitors with their analyses; they do nothing but exist."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create_batch(self, parent: str, query: JSON, body: Any) -> JSON:
        job = parse(v1.BatchPredictionJob, body)
        check_common(job)
        source, target = job.input_config.WhichOneof("source"), job.output_config.WhichOneof("destination")
        uris = [*job.input_config.gcs_source.uris, job.output_config.gcs_destination.output_uri_prefix]
        if not job.display_name or not source or not target or not job.input_config.instances_format:
            raise invalid("display_name, input_config and output_config are required.")
        if not all(uri.startswith("gs://") for uri in uris if source == "gcs_source" and uri):
            raise invalid(f"{uris} are not all Cloud Storage paths.")
        if job.input_config.instances_format not in ("jsonl", "csv", "tf-record", "bigquery"):
            raise invalid(f"Unsupported instances_format {job.input_config.instances_format}.")
        if not job.dedicated_resources.machine_spec.machine_type:
            raise invalid("dedicated_resources.machine_spec.machine_type is required for a custom model.")
        find_version(self.store, job.model)
        job.state = 2
        job.create_time.GetCurrentTime()
        name = f"{canonical(parent)}/batchPredictionJobs/{self.store.number()}"
        return dump(self.store.add("batchPredictionJobs", name, job))

    def list_batch(self, parent: str, query: JSON, body: Any) -> JSON:
        found = self.store.find("batchPredictionJobs", query.get("filter", ""))
        return {"batchPredictionJobs": [dump(job) for job in found]}

    def get_batch(self, name: str, query: JSON, body: Any) -> JSON:
        return dump(self.store.get("batchPredictionJobs", name))

    def create_custom(self, parent: str, query: JSON, body: Any) -> JSON:
        job = parse(v1.CustomJob, body)
        check_common(job)
        pools = job.job_spec.worker_pool_specs
        if not job.display_name or not pools:
            raise invalid("display_name and job_spec.worker_pool_specs are required.")
        if pools[0].replica_count != 1:
            raise invalid("The first worker pool must have one replica.")
        for pool in pools:
            if not pool.machine_spec.machine_type or not pool.container_spec.image_uri:
                raise invalid("machine_type and image_uri are required for each worker pool.")
        job.state = 4
        job.create_time.GetCurrentTime()
        return dump(self.store.add("customJobs", f"{canonical(parent)}/customJobs/{self.store.number()}", job))

    def get_custom(self, name: str, query: JSON, body: Any) -> JSON:
        return dump(self.store.get("customJobs", name))

    def create_monitor(self, parent: str, query: JSON, body: Any) -> JSON:
        monitor = parse(beta.ModelMonitor, body)
        if not monitor.model_monitoring_schema.feature_fields:
            raise invalid("model_monitoring_schema.feature_fields are required.")
        target = monitor.model_monitoring_target.vertex_model
        find_version(self.store, f"{target.model}@{target.model_version_id}")
        for field in monitor.model_monitoring_schema.feature_fields:
            if field.data_type not in ("float", "integer", "boolean", "string", "categorical"):
                raise invalid(f"Unsupported data_type {field.data_type} of {field.name}.")
        name = f"{canonical(parent)}/modelMonitors/{query.get('modelMonitorId') or self.store.number()}"
        self.store.add("modelMonitors", name, monitor)
        return self.store.operate(parent, lambda: monitor, 0, None)

    def get_monitor(self, name: str, query: JSON, body: Any) -> JSON:
        return dump(self.store.get("modelMonitors", name))

    def update_monitor(self, name: str, query: JSON, body: Any) -> JSON:
        monitor = self.store.get("modelMonitors", name)
        allowed = {"model_monitoring_target", "model_monitoring_schema", "training_dataset", "display_name"}
        apply_mask(monitor, parse(beta.ModelMonitor, body), query.get("updateMask", ""), allowed)
        return self.store.operate(name, lambda: monitor, 0, None)

    def create_analysis(self, parent: str, query: JSON, body: Any) -> JSON:
        self.store.get("modelMonitors", parent)
        job = parse(beta.ModelMonitoringJob, body)
        if not job.model_monitoring_spec.objective_spec.target_dataset.WhichOneof("dataset"):
            raise invalid("objective_spec.target_dataset is required.")
        identifier = query.get("modelMonitoringJobId") or self.store.number()
        return dump(self.store.add("analyses", f"{canonical(parent)}/modelMonitoringJobs/{identifier}", job))

    def get_analysis(self, name: str, query: JSON, body: Any) -> JSON:
        return dump(self.store.get("analyses", name))


def find_version(store: Store, name: str) -> Any:
    """Returns the version of `model`, `model@id` or `model@alias`."""
    base, _, wanted = canonical(name).partition("@")
    versions = store.all("models").get(base)
    if versions is None:
        raise ApiError(404, "NOT_FOUND", f"The Model {name} is not found.")
    for version in versions:
        if (wanted or "default") in (version.version_id, *version.version_aliases):
            return version
    raise ApiError(404, "NOT_FOUND", f"The Model version {name} is not found.")


def _as_v1(job: Any) -> Any:
    return parse(v1.PipelineJob, dump(job))


def _for_v1(schedule: Any) -> JSON:
    """Returns a schedule as v1 shows it, which does not know those of monitoring."""
    return {key: value for key, value in dump(schedule).items() if key != "createModelMonitoringJobRequest"}
