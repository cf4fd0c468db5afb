"""Looks whether a bucket is there before a job is made that would fail for want of it."""

from __future__ import annotations

from typing import Any

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.retry import ANSWER_SECONDS, call
from hilir.pipeline.errors import ConfigError


def check_bucket(connection: Connection, uri: str) -> None:
    """Raises ConfigError if the bucket does not exist; an account that may not list buckets is not checked."""
    from google.api_core.exceptions import Forbidden

    name = bucket_name(uri)

    def look() -> bool:
        try:
            return storage(connection).lookup_bucket(name, timeout=ANSWER_SECONDS, retry=None) is not None
        except Forbidden:
            return True

    if not call(connection, f"look at the bucket gs://{name}", look):
        raise ConfigError(
            f"pipeline.root '{uri}': there is no bucket gs://{name}; make it with 'gcloud storage buckets create "
            f"gs://{name} --project={connection.project} --location={connection.region}'"
        )


def read_text(connection: Connection, uri: str) -> str:
    """Returns the text of an object."""
    name = bucket_name(uri)
    path = uri.removeprefix(f"gs://{name}/")

    def download() -> str:
        blob = storage(connection).bucket(name).blob(path)
        text: str = blob.download_as_text(timeout=ANSWER_SECONDS, retry=None)
        return text

    return call(connection, f"read {uri}", download)


def storage(connection: Connection) -> Any:
    """Returns a client of Cloud Storage; an emulator of Vertex AI is one of buckets too."""
    from google.cloud import storage

    options = {"api_endpoint": connection.address} if connection.emulated else None
    return storage.Client(project=connection.project, credentials=connection.credentials, client_options=options)


def bucket_name(uri: str) -> str:
    """Returns BUCKET of gs://BUCKET/…."""
    return uri.removeprefix("gs://").partition("/")[0]
