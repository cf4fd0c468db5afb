"""A client for TensorFlow Serving's REST and gRPC APIs: numpy in and out, retries, deadlines, sticky splits.

    with RestClient("http://localhost:8080") as client:
        answer = client.predict("digits", {"image": images}, user_key="user-17")
        answer.outputs["probabilities"], answer.version, answer.label

The gateway chooses the version, and needs the user key for it: whoever has the same key gets the same version, over
REST and gRPC alike. A model server that is called directly does not look at the key.
"""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import urllib3

from hilir.serving.errors import ServingError
from hilir.serving.padding import make_array

Inputs = np.ndarray | Mapping[str, Any]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_RETRIED_STATUS = (429, 502, 503)
_BOTH = "version and label are both given; name one of them"
_USER_KEY, _LABEL, _REQUEST_ID = "X-User-Key", "X-Model-Label", "X-Request-Id"


class PredictionFailed(ServingError):
    """No answer came, or it is an error.

    Attributes:
        status: HTTP status, or gRPC's name of the status; None where nothing answered.
    """

    def __init__(self, message: str, status: int | str | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Prediction:
    """Outputs by name, and the version that gave them, as far as it is known; the gateway knows the label too.

    Attributes:
        request_id: what logs call the request; None where the server has no ids.
    """

    outputs: Mapping[str, np.ndarray]
    version: int | None
    label: str | None
    request_id: str | None = None

    @property
    def ids(self) -> list[str]:
        """The ids of the predictions, one a row, to send outcomes for; empty where the server has no ids."""
        rows = min((array.shape[0] for array in self.outputs.values() if array.ndim), default=1)
        return [] if self.request_id is None else [f"{self.request_id}#{row}" for row in range(rows)]


@dataclass(frozen=True)
class Retry:
    """How often and how long: `attempts` in all, and `deadline` seconds for all of them together."""

    attempts: int = 4
    deadline: float = 10.0

    def pauses(self) -> Iterator[tuple[float, float]]:
        """Yields (pause before the attempt, seconds that are left for it); pauses grow, and are random."""
        end = time.monotonic() + self.deadline
        for attempt in range(self.attempts):
            longest = min(_FIRST_PAUSE * 2 ** (attempt - 1), _LONGEST_PAUSE) if attempt else 0.0
            pause = random.uniform(longest / 2, longest)  # noqa: S311 - spreads load
            left = end - time.monotonic() - pause
            if left <= 0:
                return
            yield pause, left


class RestClient:
    """Calls a gateway or a model server; may be shared by threads.

    Args:
        url: like `http://localhost:8501`.
        headers: sent with every request, for example `{"X-API-Key": key}`.
        retry: for connections that break before an answer begins, 429, 502 and 503.
        user_key_header: where the gateway looks for the user key.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        retry: Retry | None = None,
        user_key_header: str = _USER_KEY,
    ) -> None:
        self._url = url.rstrip("/")
        self._retry = retry or Retry()
        self._user_key_header = user_key_header
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)
        self._output_names: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def predict(
        self,
        model: str,
        inputs: Inputs,
        *,
        signature: str = "serving_default",
        version: int | None = None,
        label: str | None = None,
        user_key: str | None = None,
    ) -> Prediction:
        """Asks for a prediction.

        Args:
            model: its name.
            inputs: arrays by name, batch first; or one array for a signature with one input. In lists None is a
                missing value, and rows with fewer values than others are padded.
            signature: which of the model's signatures.
            version: this version; neither version nor label leaves the choice to the gateway.
            label: the version that has this label.
            user_key: whoever has the same key gets the same version.

        Raises:
            PredictionFailed: no answer in time, or an error.
        """
        body = json.dumps({"signature_name": signature, "inputs": _plain_inputs(inputs)})
        headers = self._headers | ({self._user_key_header: _header_value(user_key)} if user_key else {})
        response = self._send(f"{self._url}/v1/models/{model}{_selector(version, label)}:predict", body, headers)
        outputs = json.loads(response.data)["outputs"]
        named = outputs if isinstance(outputs, dict) else {self._output_name(model, signature): outputs}
        answered_by = response.headers.get("X-Model-Version")
        return Prediction(
            {name: _array(value) for name, value in named.items()},
            int(answered_by) if answered_by else None,
            response.headers.get(_LABEL),
            response.headers.get(_REQUEST_ID),
        )

    def _output_name(self, model: str, signature: str) -> str:
        """The name of a signature's only output, which REST answers leave out."""
        key = (model, signature)
        if key not in self._output_names:
            self._output_names[key] = "output"
            url = f"{self._url}/v1/models/{model}/metadata"
            response = self._pool.request("GET", url, headers=self._headers, timeout=self._retry.deadline)
            if response.status == 200:
                signatures = json.loads(response.data)["metadata"]["signature_def"]["signature_def"]
                outputs = signatures.get(signature, {}).get("outputs", {})
                self._output_names[key] = next(iter(outputs), "output")
        return self._output_names[key]

    def _send(self, url: str, body: str, headers: Mapping[str, Any]) -> urllib3.BaseHTTPResponse:
        failure = PredictionFailed(f"{url}: no answer within {self._retry.deadline:g} s")
        for pause, left in self._retry.pauses():
            time.sleep(pause)
            timeout = urllib3.Timeout(total=left)
            try:
                response = self._pool.request("POST", url, body=body.encode(), headers=headers, timeout=timeout)
            except urllib3.exceptions.HTTPError as error:
                # Predictions change nothing on the server, so that asking twice does no harm.
                failure = PredictionFailed(f"{url}: {type(error).__name__}: {error}")
                continue
            if response.status == 200:
                return response
            failure = PredictionFailed(f"{url}: {response.status} {_error_text(response)}", response.status)
            if response.status not in _RETRIED_STATUS:
                break
        raise failure


class GrpcClient:
    """Calls a gateway or a model server over gRPC; may be shared by threads.

    Args:
        address: `host:port`.
        metadata: sent with every request, for example `{"X-API-Key": key}`.
        retry: for UNAVAILABLE and RESOURCE_EXHAUSTED.
        user_key_header: where the gateway looks for the user key.
    """

    def __init__(
        self,
        address: str,
        metadata: Mapping[str, str] | None = None,
        retry: Retry | None = None,
        user_key_header: str = _USER_KEY,
    ) -> None:
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        sizes = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self._channel = grpc.insecure_channel(address, sizes)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._metadata = tuple((key.lower(), value) for key, value in (metadata or {}).items())
        self._user_key_header = user_key_header.lower()
        self._retry = retry or Retry()
        self._retried = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def predict(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        signature: str = "serving_default",
        version: int | None = None,
        label: str | None = None,
        user_key: str | None = None,
    ) -> Prediction:
        """Asks for a prediction; arguments as for `RestClient.predict`, but inputs always by name.

        Arrays are sent in their own type, plain Python floats as float32.

        Raises:
            PredictionFailed: no answer in time, or an error.
        """
        from tensorflow_serving.apis import predict_pb2

        from hilir.serving.server.tensors.tensor_proto import from_proto, to_proto

        if version is not None and label is not None:
            raise PredictionFailed(_BOTH)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = model
        request.model_spec.signature_name = signature
        if version is not None:
            request.model_spec.version.value = version
        elif label is not None:
            request.model_spec.version_label = label
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(to_proto(_tensor(value), as_content=True))
        response, metadata = self._send(request, user_key)
        outputs = {name: from_proto(tensor, name) for name, tensor in response.outputs.items()}
        answered_by = response.model_spec.version.value
        return Prediction(outputs, answered_by, metadata.get(_LABEL.lower()), metadata.get(_REQUEST_ID.lower()))

    def _send(self, request: Any, user_key: str | None) -> tuple[Any, dict[str, str]]:
        """Returns the response, and its metadata: the label that the gateway chose, and the request's id."""
        import grpc

        failure = PredictionFailed(f"{request.model_spec.name}: no answer within {self._retry.deadline:g} s")
        metadata = self._metadata + (_key_metadata(self._user_key_header, user_key) if user_key else ())
        for pause, left in self._retry.pauses():
            time.sleep(pause)
            try:
                response, call = self._stub.Predict.with_call(request, timeout=left, metadata=metadata)
                return response, dict((*call.initial_metadata(), *call.trailing_metadata()))
            except grpc.RpcError as error:
                code = error.code()
                failure = PredictionFailed(f"{request.model_spec.name}: {code.name}: {error.details()}", code.name)
                if code not in self._retried:
                    break
        raise failure


def _selector(version: int | None, label: str | None) -> str:
    if version is not None and label is not None:
        raise PredictionFailed(_BOTH)
    if version is not None:
        return f"/versions/{version}"
    return f"/labels/{label}" if label is not None else ""


def _header_value(user_key: str) -> bytes:
    # Proxies cut spaces off at both ends, and the key would be another one.
    if not user_key.isprintable() or user_key != user_key.strip():
        raise PredictionFailed(
            f"user_key {user_key!r} cannot be sent in a header; use printable characters, without spaces at its ends"
        )
    return user_key.encode()


def _key_metadata(name: str, user_key: str) -> tuple[tuple[str, str | bytes]]:
    """gRPC takes what is not ASCII as bytes, under a name that ends in -bin."""
    value = _header_value(user_key)
    return ((name, user_key) if user_key.isascii() else (f"{name}-bin", value),)


def _tensor(value: Any) -> np.ndarray:
    array = make_array(value)
    if not isinstance(value, np.ndarray | np.generic) and array.dtype == np.float64:
        return array.astype(np.float32)
    return array


def _plain_inputs(inputs: Inputs) -> Any:
    if isinstance(inputs, Mapping):
        return {name: _plain(make_array(value)) for name, value in inputs.items()}
    return _plain(make_array(inputs))


def _plain(array: np.ndarray) -> Any:
    """An array as nested lists; bytes as TensorFlow Serving wants them in JSON."""
    if array.dtype.kind in "SO":
        return _encode_bytes(array.tolist())
    return array.tolist()


def _encode_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_encode_bytes(item) for item in value]
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _array(value: Any) -> np.ndarray:
    decoded = _decode_bytes(value)
    array: np.ndarray = np.array(decoded)
    # NumPy's own type loses zeros at the end of bytes.
    return np.array(decoded, object) if array.dtype.kind == "S" else array


def _decode_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode_bytes(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _error_text(response: urllib3.BaseHTTPResponse) -> str:
    try:
        return str(json.loads(response.data)["error"])
    except (ValueError, KeyError, TypeError):
        return response.data[:200].decode("utf-8", "replace")
