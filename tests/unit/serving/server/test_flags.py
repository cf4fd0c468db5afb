"""Each flag of `hilir serve` is a field of ServeOptions: name, default, help and type stand once."""

import dataclasses

import click
import pytest
from click.testing import CliRunner

from hilir.serving.server.cli import serve
from hilir.serving.server.options import ServeOptions

HIDDEN = {parameter.name for parameter in serve.params if getattr(parameter, "hidden", False)}
FLAGS = {parameter.name: parameter for parameter in serve.params if parameter.name not in {*HIDDEN, "show_version"}}


def test_every_field_but_the_tests_has_a_flag():
    fields = {field.name for field in dataclasses.fields(ServeOptions)}
    assert fields - FLAGS.keys() == {"grpc_core"}
    assert FLAGS.keys() <= fields
    assert "prefer_tflite_model" in HIDDEN


@pytest.mark.parametrize(
    ("field", "flag", "kind", "text"),
    [
        ("port", "--port", click.INT, "Port of gRPC; 0 for none. [8500]"),
        ("max_in_flight", "--max-in-flight", click.INT, "REST and gRPC together"),
        ("request_log_max_bytes", "--request-log-max-bytes", click.INT, "[64 MiB]"),
        ("drain_seconds", "--drain-seconds", click.FLOAT, "[30]"),
        ("enable_batching", "--enable_batching", click.BOOL, "Join requests into batches."),
        ("hosts", "--host", click.STRING, "[this machine only]"),
        ("rest_tls", "--rest-tls", click.BOOL, "TLS for REST, too."),
    ],
)
def test_spelling_type_and_help(field, flag, kind, text):
    assert FLAGS[field].opts == [flag]
    assert FLAGS[field].type is kind
    assert text in FLAGS[field].help


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--port=x", "'x' is not a valid integer"),
        ("--request-log-rate=2", "2.0 is not in the range 0<=x<=1"),
        ("--request-log-max-files=1", "1 is not in the range x>=2"),
        ("--enable_batching=perhaps", "'perhaps' is not a valid boolean"),
        ("--prefer_tflite_model", "--prefer_tflite_model is not supported by this server"),
    ],
)
def test_wrong_values(flag, message):
    done = CliRunner().invoke(serve, [flag])
    assert done.exit_code == 2
    assert message in done.output
