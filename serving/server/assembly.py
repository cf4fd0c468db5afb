"""From flags to the options of the server's parts."""

from __future__ import annotations

from typing import Any

from hilir.serving.errors import ServingConfigError
from hilir.serving.server.inference.batch_options import BatchOptions, read_batch_options
from hilir.serving.server.options import ServeOptions
from hilir.serving.server.protos import MonitoringConfig, read_text_proto
from hilir.serving.server.rest.api import METRICS_PATH, RestOptions
from hilir.serving.server.servables.lifecycle import LifecycleOptions
from hilir.serving.server.servables.loader import LoadOptions
from hilir.serving.server.telemetry.request_log import LogOptions


def lifecycle_options(options: ServeOptions) -> LifecycleOptions:
    """When versions are looked for, loaded, and loaded again."""
    return LifecycleOptions(
        poll_seconds=options.file_system_poll_wait_seconds,
        load_threads=max(options.num_load_threads, 1),
        max_retries=options.max_num_load_retries,
        retry_seconds=options.load_retry_interval_micros / 1e6,
    )


def load_options(options: ServeOptions) -> LoadOptions:
    """How a version's session is made."""
    both = options.tensorflow_session_parallelism
    return LoadOptions(
        tags=tuple(options.saved_model_tags.split(",")),
        intra_op_threads=options.tensorflow_intra_op_parallelism or both,
        inter_op_threads=options.tensorflow_inter_op_parallelism or both,
    )


def batch_options(options: ServeOptions) -> BatchOptions | None:
    """How requests are joined; None if they are not.

    Raises:
        ServingConfigError: the file of parameters is wrong, or of no use without `--enable_batching`.
    """
    if not options.enable_batching:
        if options.batching_parameters_file:
            raise ServingConfigError(
                "--batching_parameters_file is set without --enable_batching. Add --enable_batching."
            )
        return None
    if options.batching_parameters_file:
        return read_batch_options(options.batching_parameters_file)
    return BatchOptions(thread_pool_name="model_server_batch_threads")


def rest_options(options: ServeOptions) -> RestOptions:
    """Flags of the REST API.

    Raises:
        ServingConfigError: the monitoring file is wrong.
    """
    return RestOptions(
        timeout_seconds=options.rest_api_timeout_in_ms / 1000,
        cors=options.rest_api_enable_cors_support,
        prometheus_path=_prometheus_path(options),
        check_method=options.enable_signature_method_name_check,
        open_metrics=options.open_metrics,
    )


def _prometheus_path(options: ServeOptions) -> str | None:
    """TensorFlow Serving shows metrics only if asked to; the project's own server always does."""
    if not options.monitoring_config_file:
        return METRICS_PATH if options.serves_project else None
    config: Any = read_text_proto(options.monitoring_config_file, MonitoringConfig())
    if not config.prometheus_config.enable:
        return None
    return str(config.prometheus_config.path) or METRICS_PATH


def log_options(options: ServeOptions, prefix: str, rate: float) -> LogOptions:
    """A request log's files and limits."""
    redact = frozenset(options.redact)
    return LogOptions(prefix, rate, redact, options.request_log_max_bytes, options.request_log_max_files)
