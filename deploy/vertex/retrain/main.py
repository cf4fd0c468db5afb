"""A Cloud Function: a message of Vertex AI's model monitoring starts the pipeline.

Pub/Sub may deliver a message more than once; the id of the job comes from the message, so that the job is started once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import functions_framework
import google.auth
from google.auth.transport.requests import AuthorizedSession

_PIPELINE = Path(__file__).with_name("pipeline.json")
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS = 60


@functions_framework.cloud_event
def retrain(event: Any) -> None:
    """Submits the compiled pipeline; an error makes Pub/Sub deliver the message again."""
    credentials, _ = google.auth.default(scopes=[_SCOPE])
    submit(event.data["message"]["messageId"], AuthorizedSession(credentials))


def submit(message: str, session: Any) -> str:
    """Returns the id of the job that a message has started, now or at an earlier delivery.

    Args:
        message: its id.
        session: makes authorized requests.
    """
    region = os.environ["REGION"]
    address = os.environ.get("VERTEX_ENDPOINT") or f"https://{region}-aiplatform.googleapis.com"
    parent = f"projects/{os.environ['PROJECT']}/locations/{region}"
    job = json.loads(_PIPELINE.read_text(encoding="utf-8"))
    if os.environ.get("SERVICE_ACCOUNT"):
        job["serviceAccount"] = os.environ["SERVICE_ACCOUNT"]
    identifier = f"drift-{message}"
    answer = session.post(
        f"{address}/v1/{parent}/pipelineJobs", params={"pipelineJobId": identifier}, json=job, timeout=_SECONDS
    )
    if answer.status_code == 409:
        print(f"{identifier} was started by an earlier delivery of the message")
        return identifier
    if not answer.ok:
        raise RuntimeError(f"{identifier} was not started: {answer.status_code} {answer.text[:500]}")
    print(f"{identifier} is started")
    return identifier
