"""TLS from TensorFlow Serving's SSLConfig: the same key, certificate and client check on both ports."""

from __future__ import annotations

import os
import ssl
import tempfile
from dataclasses import dataclass

import grpc

from hilir.serving.errors import ServingConfigError
from hilir.serving.server.protos import SSLConfig, read_text_proto
from hilir.serving.server.security.private import check_private


@dataclass(frozen=True)
class TlsConfig:
    """PEM texts, and whether clients must show a certificate."""

    key: str
    certificate: str
    client_ca: str
    verify_client: bool


def read_tls_config(path: str) -> TlsConfig:
    """Read an SSLConfig text proto.

    Raises:
        ServingConfigError: it cannot be read, everybody can read it, or it is not enough.
    """
    config = read_text_proto(path, SSLConfig())
    # It contains the private key itself.
    check_private(path, "TLS configuration")
    if not config.server_key or not config.server_cert:
        raise ServingConfigError(f"{path} needs server_key and server_cert, both as PEM text.")
    if config.client_verify and not config.custom_ca:
        raise ServingConfigError(f"{path} asks for client_verify, which needs custom_ca as PEM text.")
    return TlsConfig(config.server_key, config.server_cert, config.custom_ca, config.client_verify)


def grpc_credentials(config: TlsConfig) -> grpc.ServerCredentials:
    """Credentials of the gRPC port."""
    return grpc.ssl_server_credentials(
        [(config.key.encode(), config.certificate.encode())],
        root_certificates=config.client_ca.encode() or None,
        require_client_auth=config.verify_client,
    )


def http_context(config: TlsConfig) -> ssl.SSLContext:
    """The context of the REST port.

    Raises:
        ServingConfigError: key and certificate do not belong together, or are no PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL reads keys from files only; this one is private and gone at once.
    descriptor, path = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(config.certificate + "\n" + config.key)
        context.load_cert_chain(path)
        if config.client_ca:
            context.load_verify_locations(cadata=config.client_ca)
        if config.verify_client:
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, ValueError) as error:
        raise ServingConfigError(f"The TLS key or certificate can't be used: {error}.") from None
    finally:
        os.unlink(path)
    return context
