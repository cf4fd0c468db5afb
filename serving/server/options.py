"""Every flag of the server as one frozen value: a field's name, default, type and help are those of its flag."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

LOOPBACK = ("127.0.0.1", "::1")


def _flag(default: Any, text: str, shown: str | None = None, **more: Any) -> Any:
    """A field with its flag.

    Args:
        default: the default value; it also gives the flag its type.
        text: what `--help` says.
        shown: the default in words, where the value itself says too little; empty if there is none to show.
        more: `spelling` if it is not the field's name, `metavar`, `choices`, and the bounds `low` and `high`.
    """
    metadata = {"help": text, "shown": str(default) if shown is None else shown, **more}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class ServeOptions:
    """TensorFlow Serving's flags under their own names, then ours.

    `root` is the directory of the project's models; it is served if neither a model nor a model config is given.
    """

    port: int = _flag(8500, "Port of gRPC; 0 for none.")
    grpc_socket_path: str = _flag("", "UNIX socket for gRPC, in addition to the port.")
    rest_api_port: int = _flag(8501, "Port of REST; 0 for none.")
    rest_api_num_threads: int = _flag(0, "Threads for inference.", "twice the cores")
    rest_api_timeout_in_ms: int = _flag(30_000, "Answer a REST request 504 after this time.")
    rest_api_enable_cors_support: bool = _flag(False, "Send CORS headers.", "")
    model_name: str = _flag("default", "Name of the model at --model_base_path.")
    model_base_path: str = _flag("", "Directory with a model's versions.", "every model under --root")
    model_config_file: str = _flag("", "ModelServerConfig text proto: several models, policies, labels.")
    model_config_file_poll_wait_seconds: int = _flag(0, "Read the file again this often; 0 for never.")
    file_system_poll_wait_seconds: int = _flag(1, "Look for versions this often; 0 for once.")
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, "New labels may point to versions that are not loaded yet.", ""
    )
    num_load_threads: int = _flag(1, "Threads that load versions.")
    max_num_load_retries: int = _flag(5, "Retries after a load has failed.")
    load_retry_interval_micros: int = _flag(60_000_000, "Time between retries.")
    enable_batching: bool = _flag(False, "Join requests into batches.", "")
    batching_parameters_file: str = _flag("", "BatchingParameters text proto.")
    enable_per_model_batching_parameters: bool = _flag(False, "Read batching_params.pbtxt of each version.", "")
    monitoring_config_file: str = _flag("", "MonitoringConfig text proto.")
    ssl_config_file: str = _flag("", "SSLConfig text proto: TLS for gRPC, and with --rest-tls for REST.")
    grpc_channel_arguments: str = _flag("", "key=value,key=value for the gRPC server.")
    saved_model_tags: str = _flag("serve", "Tags of the graph to load, separated by commas.")
    enable_model_warmup: bool = _flag(True, "Replay warm-up requests before a version serves.", "true")
    num_request_iterations_for_warmup: int = _flag(1, "How often each warm-up request is replayed.")
    tensorflow_session_parallelism: int = _flag(0, "Threads of a session, both kinds.", "automatic")
    tensorflow_intra_op_parallelism: int = _flag(0, "Threads within an operation.", "automatic")
    tensorflow_inter_op_parallelism: int = _flag(0, "Operations at a time.", "automatic")
    enable_signature_method_name_check: bool = _flag(False, "Signatures must have the method that is called.", "")
    enable_grpc_healthcheck_service: bool = _flag(False, "Serve grpc.health.v1.Health.", "")
    enable_serialization_as_tensor_content: bool = _flag(False, "Answer Predict with tensor_content.", "")

    root: str = _flag("out/models", "Serving root of the project.")
    hosts: tuple[str, ...] = _flag(LOOPBACK, "Address to listen on; repeatable.", "this machine only", spelling="host")
    rest_tls: bool = _flag(False, "TLS for REST, too.", "", spelling="rest-tls")
    tokens_file: str = _flag("", "File of bearer tokens, each with scopes.", spelling="tokens-file")
    open_metrics: bool = _flag(
        False, "Metrics need no token; otherwise one with the scope admin.", "", spelling="open-metrics"
    )
    request_log: str = _flag(
        "", "Log requests to PREFIX.jsonl and .tfrecord.", spelling="request-log", metavar="PREFIX"
    )
    request_log_rate: float = _flag(
        1.0, "Fraction of requests to log.", "1", spelling="request-log-rate", low=0, high=1
    )
    request_log_max_bytes: int = _flag(
        64 << 20, "Maximum size of one log file.", "64 MiB", spelling="request-log-max-bytes"
    )
    request_log_max_files: int = _flag(8, "Log files to keep.", spelling="request-log-max-files", low=2)
    redact: tuple[str, ...] = _flag((), "Input or output to keep out of logs; repeatable.", "", metavar="NAME")
    outcomes: str = _flag(
        "", "Take outcomes (POST /v1/outcomes) into a SQLite file or postgresql://…/database.", metavar="PLACE"
    )
    replicas: int = _flag(1, "Servers that take outcomes together; more than one need PostgreSQL.", low=1)
    max_request_bytes: int = _flag(
        128 << 20, "Refuse larger requests with 413.", "128 MiB", spelling="max-request-bytes"
    )
    max_request_memory: int = _flag(
        1 << 30,
        "Memory that all requests together may hold: as sent, and what it becomes. Refuse more with 503 or "
        "RESOURCE_EXHAUSTED.",
        "1 GiB",
        spelling="max-request-memory",
        low=1 << 20,
    )
    max_in_flight: int = _flag(
        1024, "Refuse more requests at a time, REST and gRPC together, with 503.", spelling="max-in-flight"
    )
    max_connections: int = _flag(
        4096,
        "Refuse more connections, of REST with 503; gRPC, which has as many of its own, closes them.",
        spelling="max-connections",
        low=1,
    )
    drain_seconds: float = _flag(
        30.0, "Time that requests in progress get on shutdown.", "30", spelling="drain-seconds"
    )
    log_format: str = _flag("text", "Form of messages.", spelling="log-format", choices=("text", "json"))
    otlp_endpoint: str = _flag(
        "", "Send spans to an OTLP/HTTP collector, like http://127.0.0.1:4318.", spelling="otlp-endpoint", metavar="URL"
    )
    trace_rate: float = _flag(
        0.01, "Fraction of requests to trace that no caller traces.", spelling="trace-rate", low=0, high=1
    )
    model_root: str = _flag(
        "", "Refuse base paths and request logs of models outside this directory.", spelling="model-root"
    )
    # No flag: tests run the server on grpc.aio, too.
    grpc_core: bool = True

    @property
    def serves_project(self) -> bool:
        """True if the models are those of the project's serving root."""
        return not self.model_base_path and not self.model_config_file
