"""Where and as whom a compiled job runs: written into the job, so that it needs no configuration.

Account, network, key and labels are fields of PipelineJob (google/cloud/aiplatform/v1/pipeline_job.proto). Project and
region are a part of the address that a job is sent to, so they are labels, which every client takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hilir.pipeline.config.vertex import VertexSection

Json = dict[str, Any]

_PLACES = {"region": "hilir-region", "project": "hilir-project"}
# https://cloud.google.com/vertex-ai/docs/general/labels; a project's id with the name of a domain is not one.
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
# Accounts, and resource names of networks and keys.
_NAME = re.compile(r"[\w.:@/+-]*")


def write_identity(job: Json, vertex: VertexSection) -> None:
    """Writes into the job what the configuration says; changes the job in place."""
    places = {label: getattr(vertex, key) for key, label in _PLACES.items()}
    kept = {label: value for label, value in places.items() if value is not None and _LABEL.fullmatch(value)}
    job["labels"] = {**job.get("labels", {}), **vertex.labels, **kept}
    job.update(fields_of(vertex))


def read_identity(job: Mapping[str, Any]) -> Json:
    """Returns what a job says, by the keys of the configuration's section `vertex`."""
    labels = job.get("labels") or {}
    found = {key: labels[label] for key, label in _PLACES.items() if label in labels}
    found |= {"service_account": job.get("serviceAccount"), "network": job.get("network")}
    found["encryption_key"] = (job.get("encryptionSpec") or {}).get("kmsKeyName")
    return {key: value for key, value in found.items() if value}


def check_identity(job: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each of these fields that has another value than a name."""
    encryption = job.get("encryptionSpec") or {}
    if not isinstance(encryption, Mapping) or set(encryption) - {"kmsKeyName"}:
        yield "encryptionSpec: is not {kmsKeyName: name}; compile it again"
        encryption = {}
    names = {"serviceAccount": job.get("serviceAccount"), "network": job.get("network")}
    for place, value in {**names, "encryptionSpec.kmsKeyName": encryption.get("kmsKeyName")}.items():
        if value is not None and not (isinstance(value, str) and _NAME.fullmatch(value)):
            yield f"{place}: is {value!r:.80}, which is not a valid name; compile it again"
    labels = job.get("labels") or {}
    for label in _PLACES.values():
        if label in labels and not _LABEL.fullmatch(labels[label]):
            yield f"labels.{label}: is '{labels[label]:.80}', which is not a valid name; compile it again"


def labels_of(job: Mapping[str, Any], vertex: VertexSection) -> dict[str, str]:
    """Returns the labels that the job is sent with; its address contains what the labels of its place did."""
    kept = {name: text for name, text in (job.get("labels") or {}).items() if name not in _PLACES.values()}
    return {**kept, **vertex.labels}


def fields_of(vertex: VertexSection) -> Json:
    """Returns the fields of PipelineJob that the configuration fills."""
    body: Json = {}
    if vertex.service_account:
        body["serviceAccount"] = vertex.service_account
    if vertex.network:
        body["network"] = vertex.network
    if vertex.encryption_key:
        body["encryptionSpec"] = {"kmsKeyName": vertex.encryption_key}
    return body
