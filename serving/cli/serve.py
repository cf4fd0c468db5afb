"""`hilir serve`: TensorFlow Serving's flags with their own spelling, and ours."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

Command = Callable[..., Any]


def _flag(name: str, text: str) -> Callable[[Command], Command]:
    """A boolean as TensorFlow spells it: `--x`, `--x=true` or `--x=false`."""
    return click.option(
        f"--{name}", name, is_flag=False, flag_value="true", type=click.BOOL, metavar="[BOOL]", help=text
    )


def _number(name: str, text: str) -> Callable[[Command], Command]:
    return click.option(f"--{name}", name, type=int, help=text)


def _text(name: str, text: str) -> Callable[[Command], Command]:
    return click.option(f"--{name}", name, type=str, help=text)


_TF_SERVING: list[Callable[[Command], Command]] = [
    _number("port", "Port of gRPC; 0 for none. [8500]"),
    _text("grpc_socket_path", "Listen to gRPC on this UNIX socket, too."),
    _number("rest_api_port", "Port of REST; 0 for none. [8501]"),
    _number("rest_api_num_threads", "Threads for inference. [twice the cores]"),
    _number("rest_api_timeout_in_ms", "A REST request is answered 504 after so long. [30000]"),
    _flag("rest_api_enable_cors_support", "Send CORS headers."),
    _text("model_name", "Name of the model at --model_base_path. [default]"),
    _text("model_base_path", "Directory with a model's versions. [every model under --root]"),
    _text("model_config_file", "ModelServerConfig text proto: several models, policies, labels."),
    _number("model_config_file_poll_wait_seconds", "Read the file again so often; 0 for never. [0]"),
    _number("file_system_poll_wait_seconds", "Look for versions so often; 0 for once. [1]"),
    _flag("allow_version_labels_for_unavailable_models", "New labels may point to versions not loaded yet."),
    _number("num_load_threads", "Threads that load versions. [1]"),
    _number("max_num_load_retries", "Tries after a load has failed. [5]"),
    _number("load_retry_interval_micros", "Time between them. [60000000]"),
    _flag("enable_batching", "Join requests into batches."),
    _text("batching_parameters_file", "BatchingParameters text proto."),
    _flag("enable_per_model_batching_parameters", "Read batching_params.pbtxt of each version."),
    _text("monitoring_config_file", "MonitoringConfig text proto."),
    _text("ssl_config_file", "SSLConfig text proto: TLS for gRPC, and with --rest-tls for REST."),
    _text("grpc_channel_arguments", "key=value,key=value for the gRPC server."),
    _text("saved_model_tags", "Tags of the graph to load, comma separated. [serve]"),
    _flag("enable_model_warmup", "Replay warm-up requests before a version serves. [true]"),
    _number("num_request_iterations_for_warmup", "How often each is replayed. [1]"),
    _number("tensorflow_session_parallelism", "Threads of a session, both kinds. [automatic]"),
    _number("tensorflow_intra_op_parallelism", "Threads within an operation. [automatic]"),
    _number("tensorflow_inter_op_parallelism", "Operations at a time. [automatic]"),
    _flag("enable_signature_method_name_check", "Signatures must be of the method that is called."),
    _flag("enable_grpc_healthcheck_service", "Serve grpc.health.v1.Health."),
    _flag("enable_serialization_as_tensor_content", "Answer Predict with tensor_content."),
]
# Flags that tune what this server does not have; accepted so that command lines can be swapped.
_WITHOUT_EFFECT = (
    "num_unload_threads",
    "flush_filesystem_caches",
    "tensorflow_session_config_file",
    "per_process_gpu_memory_fraction",
    "grpc_max_threads",
    "remove_unused_fields_from_bundle_metagraph",
    "num_tflite_pools",
    "num_tflite_interpreters_per_pool",
    "xla_cpu_compilation_enabled",
    "xla_gpu_compilation_enabled",
    "enable_profiler",
    "thread_pool_factory_config_file",
    "mixed_precision",
    "skip_initialize_tpu",
)
_UNSUPPORTED = {
    "platform_config_file": "Use --batching_parameters_file and the session flags.",
    "use_alts_credentials": "Use --ssl_config_file.",
    "prefer_tflite_model": "Serve the SavedModel.",
}
_OURS: list[Callable[[Command], Command]] = [
    _text("root", "Serving root of the project. [out/models]"),
    click.option("--host", "hosts", multiple=True, help="Address to listen on. [this machine only]"),
    click.option("--rest-tls", "rest_tls", is_flag=True, default=None, help="TLS for REST, too."),
    click.option("--tokens-file", "tokens_file", help="Bearer tokens, one per line; calls need one of them."),
    click.option("--request-log", "request_log", metavar="PREFIX", help="Log requests to PREFIX.jsonl, .tfrecord."),
    click.option("--request-log-rate", "request_log_rate", type=click.FloatRange(0, 1), help="Share. [1]"),
    click.option("--request-log-max-bytes", "request_log_max_bytes", type=int, help="Of one file. [64 MiB]"),
    click.option("--request-log-max-files", "request_log_max_files", type=click.IntRange(2), help="[8]"),
    click.option("--redact", "redact", multiple=True, metavar="NAME", help="Input or output to keep out of logs."),
    click.option("--max-request-bytes", "max_request_bytes", type=int, help="Larger requests: 413. [128 MiB]"),
    click.option("--max-in-flight", "max_in_flight", type=int, help="More requests at a time: 503. [1024]"),
    click.option("--max-connections", "max_connections", type=int, help="More REST connections: 503. [4096]"),
    click.option("--drain-seconds", "drain_seconds", type=float, help="Time to finish on shutdown. [30]"),
    click.option("--model-root", "model_root", help="Refuse base paths outside this directory."),
]


def _with_options(command: Command) -> Command:
    for name in reversed((*_WITHOUT_EFFECT, *_UNSUPPORTED)):
        command = click.option(f"--{name}", name, is_flag=False, flag_value="true", hidden=True)(command)
    for option in reversed(_TF_SERVING + _OURS):
        command = option(command)
    return command


@click.command()
@_with_options
@click.option("--version", "show_version", is_flag=True, help="Print versions and leave.")
def serve(show_version: bool, **given: Any) -> None:
    """Serve models over REST and gRPC, as TensorFlow Serving does.

    Without flags: the newest version of every model under out/models, on ports 8500 (gRPC) and 8501 (REST), for
    this machine only. All flags of tensorflow_model_server are accepted.
    """
    if show_version:
        from importlib.metadata import version

        click.echo(f"hilir model server: {version('hilir')}\nTensorFlow Library: {version('tensorflow')}")
        return
    values = {name: value for name, value in given.items() if value not in (None, ())}
    for name, remedy in _UNSUPPORTED.items():
        if str(values.pop(name, "false")).lower() not in ("false", "0", ""):
            raise click.UsageError(f"--{name} is not supported by this server. {remedy}")
    for name in _WITHOUT_EFFECT:
        if values.pop(name, None) is not None:
            click.echo(f"--{name} has no effect on this server.", err=True)
    _run(values)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps back what TensorFlow's libraries write while they are loaded, whatever the log level, unless that fails."""
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(real, kept.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)


def _run(values: dict[str, Any]) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with _quiet():
        from hilir.serving.server.app import serve as run_server
        from hilir.serving.server.options import ServeOptions
    # The server knows which of TensorFlow's functions are deprecated, and who runs it cannot change that.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)

    if "redact" in values:
        values["redact"] = frozenset(values["redact"])
    options = dataclasses.replace(ServeOptions(), **values)
    run_server(options, lambda line: click.echo(line))
