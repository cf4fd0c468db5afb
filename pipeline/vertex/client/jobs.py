"""Pipeline jobs on Vertex AI: create, read, list, cancel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.retry import ANSWER_SECONDS, call, lookup

COLLECTION = "pipelineJobs"
# The specification of each job would be most of a list.
_LISTED = "name,displayName,state,createTime,startTime,endTime,error,scheduleName"

_FINAL = {"SUCCEEDED": "succeeded", "FAILED": "failed", "CANCELLED": "canceled", "PAUSED": "paused"}


@dataclass(frozen=True)
class JobLine:
    """A job in a list: id, pipeline, state, times in ISO 8601 (empty: not yet), and why it failed."""

    id: str
    pipeline: str
    state: str
    created: str
    ended: str
    error: str
    schedule: str


def create_job(connection: Connection, request: Any, note: Callable[[str], None]) -> Any:
    """Creates the job and returns it; a request that had arrived before its answer was lost is not made twice.

    Raises:
        VertexError: it was refused.
    """
    client = connection.client("pipelines")
    name = connection.name(COLLECTION, request.pipeline_job_id)
    return call(
        connection,
        f"create the job {request.pipeline_job_id}",
        lambda: client.create_pipeline_job(request=request, retry=None, timeout=ANSWER_SECONDS),
        find=lambda: _find(connection, name),
        note=note,
    )


def read_job(connection: Connection, job: str, note: Callable[[str], None] = lambda _: None) -> Any:
    """Returns the job with the details of its tasks.

    Raises:
        NotFound: it does not exist.
    """
    client, name = connection.client("pipelines"), connection.name(COLLECTION, job)
    return call(
        connection,
        f"read the job {job}",
        lambda: client.get_pipeline_job(request={"name": name}, retry=None, timeout=ANSWER_SECONDS),
        note=note,
    )


def list_jobs(connection: Connection, *, limit: int, pipeline: str | None = None) -> list[JobLine]:
    """Returns the newest jobs, of one pipeline or of all."""
    client = connection.client("pipelines")
    request = {
        "parent": connection.parent,
        "page_size": limit,
        "order_by": "create_time desc",
        "read_mask": _LISTED,
        **({"filter": f'pipeline_name="{pipeline}"'} if pipeline else {}),
    }

    def first_page() -> list[Any]:
        pages = client.list_pipeline_jobs(request=request, retry=None, timeout=ANSWER_SECONDS).pages
        return list(next(iter(pages)).pipeline_jobs)

    return [_line(job) for job in call(connection, "list the jobs", first_page)]


def cancel_job(connection: Connection, job: str) -> None:
    """Asks Vertex AI to cancel the job, which may take a while; may be repeated.

    Raises:
        VertexError: it has ended, or does not exist.
    """
    client, name = connection.client("pipelines"), connection.name(COLLECTION, job)
    call(
        connection,
        f"cancel the job {job}",
        lambda: client.cancel_pipeline_job(request={"name": name}, retry=None, timeout=ANSWER_SECONDS),
    )


def state_of(job: Any) -> str:
    """Returns a job's state in a word: pending, running, succeeded, failed, canceled…"""
    name = str(job.state.name).removeprefix("PIPELINE_STATE_")
    return _FINAL.get(name) or name.lower()


def is_final(job: Any) -> bool:
    """Returns whether the job has ended."""
    return state_of(job) in ("succeeded", "failed", "canceled")


def console_url(name: str) -> str:
    """Returns the address of a job's page."""
    _, project, _, region, _, job = name.split("/")
    return f"https://console.cloud.google.com/vertex-ai/pipelines/locations/{region}/runs/{job}?project={project}"


def _find(connection: Connection, name: str) -> Any | None:
    client = connection.client("pipelines")
    return lookup(
        connection,
        f"read the job {name}",
        lambda: client.get_pipeline_job(request={"name": name}, retry=None, timeout=ANSWER_SECONDS),
    )


def _line(job: Any) -> JobLine:
    return JobLine(
        id=job.name.rpartition("/")[2],
        pipeline=job.display_name,
        state=state_of(job),
        created=show_time(job.create_time),
        ended=show_time(job.end_time),
        error=" ".join(job.error.message.split()),
        schedule=job.schedule_name.rpartition("/")[2],
    )


def show_time(moment: Any) -> str:
    """Returns a time in UTC to the second, empty where there is none."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else ""
