"""What an artifact was made from, by the metadata store."""

from __future__ import annotations

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2


def find_inputs(store: MetadataStore, artifact: int, name: str) -> list[int]:
    """Returns the ids of what the execution that made the artifact got as its input `name`."""
    made = [
        event.execution_id
        for event in store.get_events_by_artifact_ids([artifact])
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    return [
        event.artifact_id
        for event in (store.get_events_by_execution_ids(made) if made else [])
        if event.type == metadata_store_pb2.Event.INPUT and event.path.steps[0].key == name
    ]
