"""REST calls to model servers and to Envoy's admin port: short, without retries, one address at a time."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import urllib3

from hilir.serving.errors import ServingConfigError, TargetError

_CONNECT_SECONDS = 2.0


class RestCaller:
    """Calls with one pool of connections.

    Args:
        token: bearer token that the servers want.
        seconds: for one call.
    """

    def __init__(self, token: str | None = None, seconds: float = 10.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = urllib3.Timeout(connect=min(_CONNECT_SECONDS, seconds), read=seconds)
        self._pool = urllib3.PoolManager(headers=headers, timeout=timeout, retries=False, maxsize=4)
        self._headers = headers

    def call(
        self, method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Returns status and decoded JSON (None where the answer is no JSON).

        Raises:
            TargetError: nothing answers there.
        """
        status, content = self._request(method, url, None if body is None else json.dumps(body), headers)
        try:
            return status, json.loads(content)
        except ValueError:
            return status, None

    def read_page(self, url: str) -> str:
        """Returns the text of a page.

        Raises:
            TargetError: nothing answers there, or it is refused.
        """
        status, content = self._request("GET", url)
        if status != 200:
            raise TargetError(f"{url}: answered {status}")
        return content.decode("utf-8", "replace")

    def _request(
        self, method: str, url: str, content: str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        sent = self._headers | ({"Content-Type": "application/json"} if content else {}) | dict(headers or {})
        try:
            response = self._pool.request(method, url, body=content, headers=sent)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise TargetError(f"{url}: does not answer ({type(reason).__name__}); is it running?") from None
        return response.status, response.data


def find_replicas(url: str) -> list[str]:
    """Returns one address per replica of a service: its name may stand for several machines.

    Raises:
        ServingConfigError: this is no http or https address.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ServingConfigError(f"{url}: not the address of a server; write one like http://127.0.0.1:8501")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    # A certificate is for the name, and this machine is one replica whatever its addresses are.
    if parts.scheme == "https" or parts.hostname == "localhost":
        return [urlunsplit((parts.scheme, f"{parts.hostname}:{port}", "", "", ""))]
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError:
        return [urlunsplit((parts.scheme, f"{parts.hostname}:{port}", "", "", ""))]
    hosts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [
        urlunsplit((parts.scheme, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "", "", ""))
        for host in hosts
    ]
