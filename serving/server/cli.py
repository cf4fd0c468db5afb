"""`hilir serve`: TensorFlow Serving's flags with their own spelling, and ours."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable
from typing import Any

import click

from hilir.serving.server.options import ServeOptions
from hilir.serving.server.output import quiet_tensorflow
from hilir.serving.server.telemetry.log_format import set_up_logging

Command = Callable[..., Any]
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


def _option(field: dataclasses.Field[Any]) -> Callable[[Command], Command]:
    """The flag of a field of ServeOptions."""
    about, default = field.metadata, field.default
    text = about["help"] + (f" [{about['shown']}]" if about["shown"] else "")
    more: dict[str, Any] = {"metavar": about.get("metavar"), "help": text}
    kind: Any = type(default)
    match default:
        case bool():
            # As TensorFlow spells it: `--x`, `--x=true` or `--x=false`.
            kind, more = click.BOOL, {**more, "is_flag": False, "flag_value": "true", "metavar": "[BOOL]"}
        case tuple():
            kind, more = str, {**more, "multiple": True}
        case str() if "choices" in about:
            kind = click.Choice(about["choices"])
        case int() if "low" in about:
            kind = click.IntRange(about["low"], about.get("high"))
        case float() if "low" in about:
            kind = click.FloatRange(about["low"], about.get("high"))
    return click.option(f"--{about.get('spelling', field.name)}", field.name, type=kind, **more)


def _with_options(command: Command) -> Command:
    for name in reversed((*_WITHOUT_EFFECT, *_UNSUPPORTED)):
        command = click.option(f"--{name}", name, is_flag=False, flag_value="true", hidden=True)(command)
    for field in reversed(dataclasses.fields(ServeOptions)):
        if "help" in field.metadata:
            command = _option(field)(command)
    return command


@click.command()
@_with_options
@click.option("--version", "show_version", is_flag=True, help="Print versions and exit.")
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


def _run(values: dict[str, Any]) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    options = dataclasses.replace(ServeOptions(), **values)
    say = set_up_logging(options.log_format)
    with quiet_tensorflow():
        from hilir.serving.server.app import serve as run_server
    # The server knows which of TensorFlow's functions are deprecated, and who runs it cannot change that.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    run_server(options, say)
