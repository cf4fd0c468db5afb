"""Every flag of the server as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field

LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class ServeOptions:
    """TensorFlow Serving's flags under their own names, then ours.

    `root` is the directory of the project's models; it is served if neither a model nor a model config is given.
    """

    port: int = 8500
    grpc_socket_path: str = ""
    rest_api_port: int = 8501
    rest_api_num_threads: int = 0
    rest_api_timeout_in_ms: int = 30_000
    rest_api_enable_cors_support: bool = False
    enable_batching: bool = False
    allow_version_labels_for_unavailable_models: bool = False
    batching_parameters_file: str = ""
    enable_per_model_batching_parameters: bool = False
    model_config_file: str = ""
    model_config_file_poll_wait_seconds: int = 0
    model_name: str = "default"
    model_base_path: str = ""
    num_load_threads: int = 0
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    file_system_poll_wait_seconds: int = 1
    tensorflow_session_parallelism: int = 0
    tensorflow_intra_op_parallelism: int = 0
    tensorflow_inter_op_parallelism: int = 0
    ssl_config_file: str = ""
    saved_model_tags: str = "serve"
    grpc_channel_arguments: str = ""
    enable_model_warmup: bool = True
    num_request_iterations_for_warmup: int = 0
    monitoring_config_file: str = ""
    enable_signature_method_name_check: bool = False
    enable_grpc_healthcheck_service: bool = False
    enable_serialization_as_tensor_content: bool = False

    root: str = "out/models"
    hosts: tuple[str, ...] = LOOPBACK
    rest_tls: bool = False
    tokens_file: str = ""
    request_log: str = ""
    request_log_rate: float = 1.0
    request_log_max_bytes: int = 64 << 20
    request_log_max_files: int = 8
    redact: frozenset[str] = field(default_factory=frozenset)
    max_request_bytes: int = 128 << 20
    max_in_flight: int = 1024
    max_connections: int = 4096
    drain_seconds: float = 30.0
    model_root: str = ""
    grpc_core: bool = True

    @property
    def serves_project(self) -> bool:
        """True if the models are those of the project's serving root."""
        return not self.model_base_path and not self.model_config_file
