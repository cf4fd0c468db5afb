"""What all tasks of one emulated job share."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import BoundedSemaphore, Event

from hilir.components.processes.process import Starter
from hilir.pipeline.emulator.artifact_store import Store
from hilir.pipeline.report.board import Board
from hilir.pipeline.spec.specification import Specification

PROJECT = "emulation"
PROJECT_NUMBER = "100000000001"
LOCATION = "local"


@dataclass(frozen=True)
class Job:
    """One emulated pipeline job.

    `cache`: whether earlier executions are reused; `patient`: whether the waiting times of retry policies are kept;
    `failed`: set by the first task that fails, in whatever dag.
    """

    parsed: Specification
    name: str
    folder: Path
    store: Store
    board: Board
    starter: Starter
    slots: BoundedSemaphore
    cache: bool = True
    patient: bool = True
    cancel: Event = field(default_factory=Event)
    failed: Event = field(default_factory=Event)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    uuid: int = field(default_factory=lambda: random.SystemRandom().randrange(10**17, 10**18))

    @property
    def resource_name(self) -> str:
        """The job's name in the API."""
        return f"projects/{PROJECT_NUMBER}/locations/{LOCATION}/pipelineJobs/{self.name}"

    @property
    def store_name(self) -> str:
        """The metadata store's name in the API."""
        return f"projects/{PROJECT_NUMBER}/locations/{LOCATION}/metadataStores/default"

    def make_task_folder(self, task: str) -> Path:
        """Returns the path `<root>/<project number>/<job>/<task>_<id>`, made."""
        number = random.SystemRandom().randrange(10**17, 10**18)
        path = Path(self.parsed.output_directory) / PROJECT_NUMBER / self.name / f"{task}_{number}"
        path.mkdir(parents=True)
        return path

    def log_of(self, label: str) -> Path:
        """Returns the log file of a task."""
        return self.folder / "logs" / f"{label.replace('/', '.')}.log"

    def placeholder_values(self, task: str = "", folder: Path | None = None) -> dict[str, str]:
        """Returns the values of `{{$.pipeline_…}}`."""
        created = self.created.isoformat()
        return {
            "pipeline_google_cloud_location": LOCATION,
            "pipeline_google_cloud_project_id": PROJECT,
            "pipeline_job_create_time_utc": created,
            "pipeline_job_name": self.name,
            "pipeline_job_resource_name": self.resource_name,
            "pipeline_job_schedule_time_utc": created,
            "pipeline_job_uuid": str(self.uuid),
            "pipeline_persistent_resource_id": "",
            "pipeline_root": self.parsed.output_directory,
            "pipeline_service_account": "",
            "pipeline_task_name": task,
            "pipeline_task_uuid": folder.name.rpartition("_")[2] if folder else "",
        }
