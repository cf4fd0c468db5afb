"""Text-proto files that `tensorflow-serving-api` has no classes for, and reading of text protos in general.

BatchingParameters, MonitoringConfig and SSLConfig are declared here with the field numbers of
session_bundle_config.proto, monitoring_config.proto and ssl_config.proto, so that the same files are
accepted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from google.protobuf.message import Message

from hilir.serving.errors import ServingConfigError

M = TypeVar("M", bound=Message)

_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "tensorflow.serving"
_MESSAGES: dict[str, list[tuple[str, int, str]]] = {
    "BatchingParameters": [
        ("max_batch_size", 1, "Int64Value"),
        ("batch_timeout_micros", 2, "Int64Value"),
        ("max_enqueued_batches", 3, "Int64Value"),
        ("num_batch_threads", 4, "Int64Value"),
        ("thread_pool_name", 5, "StringValue"),
        ("allowed_batch_sizes", 6, "repeated int64"),
        ("pad_variable_length_inputs", 7, "bool"),
        ("enable_large_batch_splitting", 8, "BoolValue"),
        ("max_execution_batch_size", 9, "Int64Value"),
    ],
    "PrometheusConfig": [("enable", 1, "bool"), ("path", 2, "string")],
    "MonitoringConfig": [("prometheus_config", 1, "PrometheusConfig")],
    "SSLConfig": [
        ("server_key", 1, "string"),
        ("server_cert", 2, "string"),
        ("custom_ca", 3, "string"),
        ("client_verify", 4, "bool"),
    ],
}
_SCALARS = {
    "bool": _FIELD.TYPE_BOOL,
    "repeated int64": _FIELD.TYPE_INT64,
    "string": _FIELD.TYPE_STRING,
}


def _declare() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="serving/server/configuration.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for name, number, kind in fields:
            field = declared.field.add(name=name, number=number, label=_FIELD.LABEL_OPTIONAL)
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
                if kind.startswith("repeated"):
                    field.label = _FIELD.LABEL_REPEATED
            else:
                field.type = _FIELD.TYPE_MESSAGE
                scope = _PACKAGE if kind in _MESSAGES else "google.protobuf"
                field.type_name = f".{scope}.{kind}"
    # A pool of our own: another package may one day declare the real files in the default one.
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


_CLASSES = _declare()
BatchingParameters = _CLASSES["BatchingParameters"]
MonitoringConfig = _CLASSES["MonitoringConfig"]
SSLConfig = _CLASSES["SSLConfig"]


def read_text_proto(path: str, message: M) -> M:
    """Read a text-proto file into `message`, and return it.

    Raises:
        ServingConfigError: no such file, or not such a message.
    """
    return parse_text_proto(read_text(path), message, path)


def read_text(path: str) -> str:
    """A file's text.

    Raises:
        ServingConfigError: no such file, or not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ServingConfigError(
            f"Can't read {path}: {error.strerror or error}. Check the path and its permissions."
        ) from None
    except UnicodeDecodeError:
        raise ServingConfigError(f"{path} is not text. Give a text-format protobuf file.") from None


def parse_text_proto(text: str, message: M, path: str) -> M:
    """Parse what was read from `path` into `message`, and return it.

    Raises:
        ServingConfigError: not such a message.
    """
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise ServingConfigError(
            f"Error parsing text-format {message.DESCRIPTOR.full_name}: {path}:{str(error).rstrip('.')}. "
            "Correct the file."
        ) from None
