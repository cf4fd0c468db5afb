"""Reaches Vertex AI in one project and region; google.cloud is imported when the first request is made."""

from __future__ import annotations

import ipaddress
import re
from functools import cached_property
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from hilir.components.vertex.credentials import ADVICE
from hilir.components.vertex.errors import VertexError

# Service -> (package, class); the monitoring of models (v2) is a preview and only in v1beta1.
_CLIENTS = {
    "pipelines": ("aiplatform_v1", "PipelineServiceClient"),
    "schedules": ("aiplatform_v1", "ScheduleServiceClient"),
    "models": ("aiplatform_v1", "ModelServiceClient"),
    "endpoints": ("aiplatform_v1", "EndpointServiceClient"),
    "jobs": ("aiplatform_v1", "JobServiceClient"),
    "predictions": ("aiplatform_v1", "PredictionServiceClient"),
    "monitoring": ("aiplatform_v1beta1", "ModelMonitoringServiceClient"),
    "monitoring schedules": ("aiplatform_v1beta1", "ScheduleServiceClient"),
}
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def check_address(address: str) -> bool:
    """Returns whether the address is an emulator's: http on this machine, which gets no credentials.

    Credentials go to Google's own hosts alone, over TLS; so a wrong address in a configuration cannot collect them.

    Raises:
        ValueError: the address is neither.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.path not in ("", "/") or parts.query or parts.username:
        raise ValueError(f"'{address}' is not of the form http://127.0.0.1:PORT or https://HOST.googleapis.com")
    if parts.scheme == "https" and host.endswith((".googleapis.com", ".p.googleapis.com")):
        return False
    if parts.scheme == "http" and parts.port and _is_loopback(host):
        return True
    raise ValueError(
        f"'{address}' is neither an emulator on this machine (http://127.0.0.1:PORT) nor a host of Google "
        f"(https://….googleapis.com); no credentials are sent anywhere else"
    )


def check_region(region: str) -> str:
    """Returns the region.

    It is a part of the host that gets the credentials, so nothing but a region's name may stand there.

    Raises:
        ValueError: it is not the name of a region.
    """
    if not _REGION.fullmatch(region):
        raise ValueError(f"'{region}' is not the name of a region of Google Cloud, for example europe-west4")
    return region


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Connection:
    """A project and region on Vertex AI; clients are made when they are needed.

    Attributes:
        patience: seconds for which a request that is not answered, or refused for now, is made again.
    """

    patience = 300.0

    def __init__(self, project: str, region: str, address: str | None = None) -> None:
        """Keeps the names.

        Args:
            project: id or number.
            region: for example europe-west4.
            address: an emulator's or another host, as `check_address` takes it; None: the region's host.

        Raises:
            VertexError: the region, which may come from the full name of a resource, is none.
        """
        try:
            check_region(region)
        except ValueError as error:
            raise VertexError(
                f"{error}; nothing was sent; give one as vertex.region or in the name of the resource"
            ) from None
        self.project, self.region, self.address = project, region, address
        self._clients: dict[str, Any] = {}

    @property
    def parent(self) -> str:
        """The name of what all is in."""
        return f"projects/{self.project}/locations/{self.region}"

    @cached_property
    def emulated(self) -> bool:
        """Returns whether this is an emulator without credentials."""
        return self.address is not None and check_address(self.address)

    def name(self, collection: str, identifier: str) -> str:
        """Returns the full name of `identifier`, which may be one already."""
        return identifier if "/" in identifier else f"{self.parent}/{collection}/{identifier}"

    def client(self, service: str) -> Any:
        """Returns the client of a service: pipelines, schedules, models, endpoints, jobs, predictions, monitoring.

        Raises:
            VertexError: there are no credentials.
        """
        if service not in self._clients:
            package, name = _CLIENTS[service]
            kind = getattr(import_module(f"google.cloud.{package}"), name)
            address = self.address or f"https://{self.region}-aiplatform.googleapis.com"
            self._clients[service] = kind(
                credentials=self.credentials,
                transport="rest" if self.emulated else "grpc",
                client_options={"api_endpoint": address if self.emulated else urlsplit(address).netloc},
            )
        return self._clients[service]

    @cached_property
    def credentials(self) -> Any:
        """The application default credentials; anonymous ones for an emulator.

        Raises:
            VertexError: there are none.
        """
        from google.auth.credentials import AnonymousCredentials

        if self.emulated:
            return AnonymousCredentials()
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError

        try:
            return google.auth.default(scopes=[_SCOPE])[0]
        except DefaultCredentialsError:
            raise VertexError(f"no credentials for Google Cloud were found on this machine; {ADVICE}") from None
