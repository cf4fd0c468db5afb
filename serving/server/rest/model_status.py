"""Answers of the REST API that need no inference: status and metadata."""

from __future__ import annotations

import json

from google.protobuf import json_format
from tensorflow_serving.apis import model_pb2

from hilir.serving.server.rest.paths import Target
from hilir.serving.server.servables.manager import ServerCore
from hilir.serving.server.servables.policy import State
from hilir.serving.server.servables.servable import signature_map
from hilir.serving.server.telemetry.metrics import Metrics


def status(core: ServerCore, target: Target) -> bytes:
    """The body of GET .../models/m[/versions/n]; a label in the path is ignored, as TensorFlow Serving does.

    Raises:
        StatusError: nothing is known of the model or the version.
    """
    states = [
        {
            "version": str(version),
            "state": entry.state.name,
            "status": {"error_code": entry.code.name, "error_message": entry.message},
        }
        for version, entry in core.status(target.model, target.version)
    ]
    return (json.dumps({"model_version_status": states}, indent=1) + "\n").encode("utf-8", "replace")


def metadata(core: ServerCore, target: Target) -> bytes:
    """The body of GET .../metadata.

    Raises:
        StatusError: no such servable.
    """
    servable = core.hold(target.model, target.version, target.label)
    try:
        spec = model_pb2.ModelSpec(name=servable.name)
        spec.version.value = servable.version
        definitions = json_format.MessageToJson(
            signature_map(servable),
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            indent=1,
        )
        spec_json = json_format.MessageToJson(
            spec, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, indent=1
        )
    finally:
        servable.release()
    text = f'{{\n"model_spec":{spec_json}\n,\n"metadata": {{"signature_def": {definitions}\n}}\n}}\n'
    return text.encode("utf-8", "replace")


def update_gauges(core: ServerCore, metrics: Metrics) -> None:
    """Version states and label targets as they are now."""
    metrics.version_state.clear()
    metrics.label_version.clear()
    for model, versions in core.lifecycle.all_statuses().items():
        for version, entry in versions.items():
            if entry.state is not State.END or entry.message:
                metrics.version_state.set(model, str(version), to=int(entry.state))
    for model, labels in core.table.current.labels.items():
        for label, version in labels.items():
            metrics.label_version.set(model, label, to=version)
