"""Schedules of a pipeline on Vertex AI; a schedule's name is unique among those that are not completed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.errors import NotFound
from hilir.components.vertex.retry import ANSWER_SECONDS, call, wait_for
from hilir.pipeline.config.cron import parse_cron
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.vertex.client.jobs import show_time

# A label of the jobs that a schedule makes, by which a schedule is found whose creation was not answered.
_REQUEST = "hilir-request"


@dataclass(frozen=True)
class ScheduleLine:
    """A schedule in a list; times in ISO 8601, empty where there is none."""

    id: str
    name: str
    state: str
    cron: str
    next: str
    started: int
    max_concurrent: int


def check_cron(cron: str) -> None:
    """Raises ConfigError unless it is five fields of cron that some day fits, with `TZ=Area/City ` before if wanted."""
    try:
        parse_cron(cron)
    except ValueError as error:
        raise ConfigError(f"--cron {error}") from None


def make_schedule(name: str, cron: str, job_request: Any, settings: Mapping[str, Any]) -> Any:
    """Returns a Schedule.

    Args:
        name: what it is called.
        cron: when.
        job_request: the CreatePipelineJobRequest of each run; its id is dropped, since each run gets one of its own.
        settings: further fields of Schedule.
    """
    from google.cloud.aiplatform_v1 import CreatePipelineJobRequest, Schedule

    request = CreatePipelineJobRequest(parent=job_request.parent, pipeline_job=job_request.pipeline_job)
    return Schedule(display_name=name, cron=cron, create_pipeline_job_request=request, **settings)


def create_schedule(connection: Connection, schedule: Any, note: Callable[[str], None]) -> Any:
    """Creates the schedule and returns it, once, however often the request has to be made.

    Raises:
        ConfigError: there is one of that name.
        VertexError: it was refused.
    """
    name = schedule.display_name
    if _named(connection, name):
        raise ConfigError(
            f"there is a schedule '{name}' already; change it with 'hilir schedule update', or choose another --name"
        )
    token = secrets.token_hex(8)
    schedule.create_pipeline_job_request.pipeline_job.labels[_REQUEST] = token
    client = connection.client("schedules")

    def find() -> Any | None:
        made = (s for s in _named(connection, name))
        return next((s for s in made if _token(s) == token), None)

    return call(
        connection,
        f"create the schedule {name}",
        lambda: client.create_schedule(
            request={"parent": connection.parent, "schedule": schedule}, retry=None, timeout=ANSWER_SECONDS
        ),
        find=find,
        note=note,
    )


def list_schedules(connection: Connection) -> list[ScheduleLine]:
    """Returns all schedules of pipelines, the newest first."""
    return [_line(schedule) for schedule in _list(connection, "") if schedule.create_pipeline_job_request.parent]


def find_schedule(connection: Connection, name: str) -> Any:
    """Returns the schedule that is called `name` or has this id.

    Raises:
        NotFound: there is none.
        ConfigError: several are called so; made by others than this program.
    """
    if name.isdigit() or "/" in name:
        client, full = connection.client("schedules"), connection.name("schedules", name)
        return call(
            connection,
            f"read the schedule {name}",
            lambda: client.get_schedule(request={"name": full}, retry=None, timeout=ANSWER_SECONDS),
        )
    found = _named(connection, name)
    if not found:
        raise NotFound(
            f"there is no schedule '{name}' in {connection.region} of {connection.project}; 'hilir schedule list' "
            f"shows those there are"
        )
    if len(found) > 1:
        ids = ", ".join(schedule.name.rpartition("/")[2] for schedule in found)
        raise ConfigError(f"{len(found)} schedules are called '{name}'; give the id of one: {ids}")
    return found[0]


def pause_schedule(connection: Connection, name: str) -> Any:
    """Pauses the schedule; running jobs continue. May be repeated."""
    schedule = find_schedule(connection, name)
    if schedule.state.name == "ACTIVE":
        client = connection.client("schedules")
        call(
            connection,
            f"pause the schedule {name}",
            lambda: client.pause_schedule(request={"name": schedule.name}, retry=None, timeout=ANSWER_SECONDS),
        )
    return find_schedule(connection, schedule.name)


def resume_schedule(connection: Connection, name: str, *, catch_up: bool) -> Any:
    """Resumes the schedule; `catch_up` first starts the runs that were missed. May be repeated."""
    schedule = find_schedule(connection, name)
    if schedule.state.name == "PAUSED":
        client = connection.client("schedules")
        request = {"name": schedule.name, "catch_up": catch_up}
        call(
            connection,
            f"resume the schedule {name}",
            lambda: client.resume_schedule(request=request, retry=None, timeout=ANSWER_SECONDS),
        )
    return find_schedule(connection, schedule.name)


def update_schedule(connection: Connection, name: str, changes: Mapping[str, Any]) -> Any:
    """Changes the given fields of Schedule. Vertex AI then counts the runs from zero again."""
    from google.cloud.aiplatform_v1 import Schedule

    schedule = find_schedule(connection, name)
    client = connection.client("schedules")
    request = {
        "schedule": Schedule(name=schedule.name, **changes),
        "update_mask": ",".join(_camel(field) for field in sorted(changes)),
    }
    return call(
        connection,
        f"change the schedule {name}",
        lambda: client.update_schedule(request=request, retry=None, timeout=ANSWER_SECONDS),
    )


def delete_schedule(connection: Connection, name: str) -> None:
    """Removes the schedule; the jobs that it has started continue."""
    schedule = find_schedule(connection, name)
    client, what = connection.client("schedules"), f"delete the schedule {name}"
    try:
        operation = call(
            connection,
            what,
            lambda: client.delete_schedule(request={"name": schedule.name}, retry=None, timeout=ANSWER_SECONDS),
        )
    except NotFound:
        # The answer of an earlier attempt was lost.
        return
    wait_for(connection, "schedules", what, operation)


def _named(connection: Connection, name: str) -> list[Any]:
    found = _list(connection, f'display_name="{name}"')
    return [schedule for schedule in found if schedule.display_name == name and schedule.state.name != "COMPLETED"]


def _list(connection: Connection, condition: str) -> list[Any]:
    client = connection.client("schedules")
    request = {"parent": connection.parent, "filter": condition, "order_by": "create_time desc"}
    return call(
        connection,
        "list the schedules",
        lambda: list(client.list_schedules(request=request, retry=None, timeout=ANSWER_SECONDS)),
    )


def _token(schedule: Any) -> str:
    return str(schedule.create_pipeline_job_request.pipeline_job.labels.get(_REQUEST, ""))


def _camel(field: str) -> str:
    head, *rest = field.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _line(schedule: Any) -> ScheduleLine:
    return ScheduleLine(
        id=schedule.name.rpartition("/")[2],
        name=schedule.display_name,
        state=schedule.state.name.lower(),
        cron=schedule.cron,
        next=show_time(schedule.next_run_time) if schedule.state.name == "ACTIVE" else "",
        started=schedule.started_run_count,
        max_concurrent=schedule.max_concurrent_run_count,
    )
