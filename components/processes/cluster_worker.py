"""A worker of Beam's, as a cluster's task manager starts it: the program `hilir-beam-worker`.

`--environment_type=PROCESS --environment_config={"command": ".../hilir-beam-worker"}` names it to Flink or Spark. It
takes the options of Beam's container contract (apache_beam, sdks/python/container/boot.go) and does what Beam's `boot`
does in an image, except that it installs nothing: it runs in the environment that it is installed in.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence

_SECONDS = 60
_SUBMITTED = "submission_environment_dependencies.txt"


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks the task manager for the job, then works until the task manager closes the connection."""
    parser = argparse.ArgumentParser(prog="hilir-beam-worker", description="Started by a cluster's task manager.")
    parser.add_argument("--id", required=True, help="Name of the worker.")
    parser.add_argument("--provision_endpoint", required=True, help="Where the job is described, as HOST:PORT.")
    given, _ = parser.parse_known_args(arguments)
    # A task manager that was killed leaves no worker behind: its end closes the connection.
    os.environ.update(_describe(given.id, given.provision_endpoint))

    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main([])
    return 0


def _describe(worker: str, endpoint: str) -> dict[str, str]:
    """Returns what Beam's worker reads from its environment."""
    import grpc
    from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
    from google.protobuf import json_format, text_format

    with grpc.insecure_channel(endpoint) as channel:
        stub = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        metadata = [("worker_id", worker)]
        info = stub.GetProvisionInfo(request, metadata=metadata, timeout=_SECONDS, wait_for_ready=True).info
    staged = [name for name in _staged(info) if name != _SUBMITTED]
    if staged:
        sys.exit(
            f"hilir-beam-worker: the job brings files to install ({', '.join(staged)}), and this worker installs "
            f"nothing; install them where {sys.executable} finds them, and take the option that names them away"
        )
    return {
        "WORKER_ID": worker,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(info.control_endpoint),
        "LOGGING_API_SERVICE_DESCRIPTOR": text_format.MessageToString(info.logging_endpoint),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


def _staged(info: object) -> Iterator[str]:
    from apache_beam.portability.api import beam_runner_api_pb2

    for artifact in info.dependencies:  # type: ignore[attr-defined]
        payload = beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(artifact.role_payload)
        yield payload.staged_name


if __name__ == "__main__":
    sys.exit(main())
