"""Reads the metadata store: which runs there were, and what their steps did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.report.run_records import ArtifactRecord, RunRecord, StepRecord

_STATES = {
    metadata_store_pb2.Execution.COMPLETE: "done",
    metadata_store_pb2.Execution.CACHED: "cached",
    metadata_store_pb2.Execution.FAILED: "failed",
    metadata_store_pb2.Execution.CANCELED: "failed",
    metadata_store_pb2.Execution.RUNNING: "running",
}
_MADE = (metadata_store_pb2.Event.OUTPUT,)
_REMOVED = "removed"
# What SQLite says of a file that is damaged; a full disk is another matter.
_DAMAGED = ("malformed", "not a database")


def connection(folder: str) -> metadata_store_pb2.ConnectionConfig:
    """Returns the connection to the SQLite store of the pipeline whose root is `folder`."""
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(Path(folder) / "metadata.sqlite")
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return config


def open_store(config: metadata_store_pb2.ConnectionConfig) -> metadata_store.MetadataStore:
    """Opens the store that `connection` names.

    Raises:
        ConfigError: its file is damaged.
    """
    try:
        return metadata_store.MetadataStore(config)
    except RuntimeError as error:
        path = Path(config.sqlite.filename_uri)
        reason = "a folder" if path.is_dir() else next((sign for sign in _DAMAGED if sign in str(error)), None)
        if reason is None:
            raise
        raise ConfigError(
            f"{path}: is damaged (SQLite: {reason}); put a copy of it back, or move {path.parent} away: "
            f"the next run begins a new one, and pushed versions stay as they are"
        ) from None


def is_removed(context: metadata_store_pb2.Context) -> bool:
    """Says whether `hilir clean` has removed the run; what others were made from stays in the store."""
    return _REMOVED in context.custom_properties


def mark_removed(context: metadata_store_pb2.Context) -> None:
    """Marks the run as removed."""
    context.custom_properties[_REMOVED].int_value = 1


class RunStore:
    """The runs of one pipeline."""

    def __init__(self, config: metadata_store_pb2.ConnectionConfig) -> None:
        """`config`: as `connection` returns it."""
        self._store = open_store(config)

    def list_runs(self) -> list[RunRecord]:
        """Returns all runs, the newest first."""
        contexts = [each for each in self._store.get_contexts_by_type("pipeline_run") if not is_removed(each)]
        return sorted((self._run(context) for context in contexts), key=lambda run: run.began, reverse=True)

    def find_run(self, run_id: str) -> RunRecord | None:
        """Returns the run, or None where the store has none of that id."""
        context = self._store.get_context_by_type_and_name("pipeline_run", run_id)
        return None if context is None or is_removed(context) else self._run(context)

    def _run(self, context: metadata_store_pb2.Context) -> RunRecord:
        executions = self._store.get_executions_by_context(context.id)
        steps = sorted((self._step(execution) for execution in executions), key=lambda step: step.began)
        return RunRecord(context.name, context.create_time_since_epoch / 1000, tuple(steps))

    def _step(self, execution: metadata_store_pb2.Execution) -> StepRecord:
        node = next(
            context.name.partition(".")[2]
            for context in self._store.get_contexts_by_execution(execution.id)
            if context.type == "node"
        )
        began = execution.create_time_since_epoch / 1000
        ended = execution.last_update_time_since_epoch / 1000
        state = _STATES.get(execution.last_known_state, "waiting")
        events = list(self._store.get_events_by_execution_ids([execution.id]))
        made = {event.artifact_id: event.path.steps[0].key for event in events if event.type in _MADE}
        got = [event.artifact_id for event in events if event.type not in _MADE]
        outputs = {
            made[artifact.id]: ArtifactRecord(artifact.uri, artifact.type, _properties(artifact))
            for artifact in self._store.get_artifacts_by_id(list(made))
        }
        inputs = tuple(sorted(artifact.uri for artifact in self._store.get_artifacts_by_id(got)))
        return StepRecord(node, state, began, ended - began, outputs, inputs)


def _properties(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    values = list(artifact.properties.items()) + list(artifact.custom_properties.items())
    return {name: getattr(value, value.WhichOneof("value")) for name, value in values if value.WhichOneof("value")}
