"""Settings of a gateway, from its YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from hilir.serving.errors import ServingConfigError
from hilir.serving.server.security.private import check_private

Address = Annotated[str, StringConstraints(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.-]+):\d{1,5}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Jwt(_Part):
    """Which JSON Web Tokens are accepted (RFC 7519); `user_claim` becomes the key that a user's version hangs on."""

    issuer: str
    jwks_file: str
    audiences: tuple[str, ...] = ()
    user_claim: str = "sub"


class RateLimit(_Part):
    """Requests per second that each gateway allows, in all and per client; None for no limit."""

    requests_per_second: int | None = Field(default=None, ge=1)
    per_client: int | None = Field(default=None, ge=1)


class Outliers(_Part):
    """When a replica is left out for a while."""

    consecutive_5xx: int = Field(default=5, ge=1)
    ejection_seconds: int = Field(default=30, ge=1)
    max_ejection_percent: int = Field(default=50, ge=0, le=100)


class Tls(_Part):
    """What clients' connections are encrypted with; Envoy reads both files.

    Attributes:
        certificate: file of the certificate and its chain, PEM.
        key: file of its private key, PEM, which not everybody may read.
    """

    certificate: str
    key: str


class GatewaySettings(_Part):
    """Everything but the split.

    Attributes:
        listen: where clients come.
        status: readiness, metrics and the routes in force, read only; what `hilir release` and Prometheus ask.
        admin: Envoy's own administration, which may do anything: never on a network.
        rest: model servers, REST; a name may stand for several replicas.
        grpc: the same servers, gRPC.
        outcomes: what takes POST /v1/outcomes: `hilir monitor serve`, or our server; none turns it away.
        user_key_header: the header whose value decides a user's version.
        retries: how often a request that no server has begun to answer goes to another replica.
        api_keys_file: lines `CLIENT KEY`; calls need one of the keys in `X-API-Key`.
        jwt: calls need a token.
        tls: certificate and key, for both protocols; None for none.
        access_log: file of JSON lines.
        otlp: address of an OTLP/HTTP collector that gets a span of each traced request; None for none.
        trace_percent: percent of the requests that no caller traces yet.
        drain_seconds: time for requests in progress when the gateway is stopped.
    """

    listen: Address = "127.0.0.1:8080"
    status: Address = "127.0.0.1:9902"
    admin: Address = "127.0.0.1:9901"
    rest: tuple[Address, ...] = Field(default=("127.0.0.1:8501",), min_length=1)
    grpc: tuple[Address, ...] = Field(default=("127.0.0.1:8500",), min_length=1)
    outcomes: tuple[Address, ...] = ()
    user_key_header: str = Field(default="x-user-key", pattern=r"^[a-z0-9-]+$")
    timeout_seconds: float = Field(default=30.0, gt=0)
    retries: int = Field(default=2, ge=0)
    max_request_bytes: int = Field(default=128 << 20, ge=1)
    max_connections: int = Field(default=4096, ge=1)
    rate_limit: RateLimit = RateLimit()
    outliers: Outliers = Outliers()
    api_keys_file: str | None = None
    jwt: Jwt | None = None
    tls: Tls | None = None
    access_log: str = "/dev/stdout"
    otlp: Address | None = None
    trace_percent: float = Field(default=1.0, ge=0, le=100)
    drain_seconds: float = Field(default=10.0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> GatewaySettings:
        if self.api_keys_file and self.jwt:
            raise ValueError("api_keys_file and jwt are both set; choose one")
        return self


def read_settings(path: str | Path | None, **overrides: object) -> GatewaySettings:
    """Reads a settings file; `overrides` that are not None win.

    Raises:
        ServingConfigError: the file cannot be read, or holds something that is not a setting.
    """
    content: object = {}
    if path is not None:
        try:
            content = yaml.safe_load(Path(path).read_text()) or {}
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise ServingConfigError(f"{path}: cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise ServingConfigError(f"{path}: must hold settings by name; see deploy/serving/gateway.yaml")
    try:
        return GatewaySettings.model_validate(
            content | {name: value for name, value in overrides.items() if value is not None}
        )
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(str(part) for part in fault['loc']) or 'settings'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ServingConfigError(f"{path or 'gateway'}: wrong settings:\n{faults}") from None


def read_api_keys(path: str) -> list[tuple[str, str]]:
    """Returns pairs of client and key.

    Raises:
        ServingConfigError: the file cannot be read, can be read by everybody, has no keys, or keys that are short or
            twice there.
    """
    try:
        check_private(path, "file of API keys")
        lines = Path(path).read_text().splitlines()
    except OSError as error:
        raise ServingConfigError(f"{path}: the API keys cannot be read ({error.strerror})") from None
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or len(words[1]) < 16 or words[1] in {key for _, key in pairs}:
            raise ServingConfigError(
                f"{path}:{number}: write CLIENT KEY, the key of 16 characters or more, and each once"
            )
        pairs.append((words[0], words[1]))
    if not pairs:
        raise ServingConfigError(f"{path}: there are no keys; write lines CLIENT KEY")
    return pairs
