"""Sends REST and gRPC requests at a steady rate: `python -m … REST_URL GRPC_ADDRESS MODEL RATE REQUEST`.

Every second request is gRPC. Users differ from request to request, and x is a normal number around 2, or 2 itself for
one of ten. It prints "answered" after the first answer, stops when its standard input is closed, and prints JSON of all
answers. REQUEST is the message for gRPC in hexadecimal digits: with those this process need not import TensorFlow.
"""

import http.client
import json
import random
import struct
import sys
import threading
import time
from urllib.parse import urlsplit

import grpc

from tests.integration.serving.child_processes import loading

THREADS = 8
PREDICT = "/tensorflow.serving.PredictionService/Predict"
PLACE_OF_X = 12345.678
"""Stands for x in the message that is handed over."""


def sending(rest: str, rpc: str, model: str, rate: int):
    """Sends from a process of its own while the block runs; yields a list that is filled at the end.

    An entry has `sent` (seconds of the epoch), `protocol`, `status` ("ok" or what went wrong) and `version`.
    """
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.inputs["x"].dtype = 1
    for _ in range(2):
        request.inputs["x"].tensor_shape.dim.add().size = 1
    request.inputs["x"].float_val.append(PLACE_OF_X)
    words = (rest, rpc, model, str(rate), request.SerializeToString().hex())
    return loading("tests.integration.release.both_protocols", *words)


class Sender:
    def __init__(self, rest: str, rpc: str, model: str, rate: int, request: bytes) -> None:
        self._message = request
        self._place, self._model, self._rate = urlsplit(rest), model, rate
        self._channel = grpc.insecure_channel(rpc)
        self._call = self._channel.unary_unary(PREDICT)
        self._start, self._stopping = time.monotonic() + 0.2, threading.Event()
        self.answered, self.results = threading.Event(), []
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        connection = http.client.HTTPConnection(self._place.hostname, self._place.port, timeout=10)
        chance = random.Random(number)
        while not self._stopping.is_set():
            time.sleep(max(0.0, self._start + number / self._rate - time.monotonic()))
            x = 2.0 if chance.random() < 0.1 else round(chance.gauss(2.0, 1.0), 3)
            key, sent = f"user-{chance.randrange(10**6)}", time.time()
            protocol = "gRPC" if (number // THREADS) % 2 else "REST"
            status, version = self._grpc(x, key) if protocol == "gRPC" else self._rest(connection, x, key)
            self.results.append({"sent": sent, "protocol": protocol, "status": status, "version": version})
            self.answered.set()
            number += THREADS

    def _rest(self, connection: http.client.HTTPConnection, x: float, key: str) -> tuple[str, str | None]:
        body = json.dumps({"instances": [[x]]})
        try:
            connection.request("POST", f"/v1/models/{self._model}:predict", body, {"X-User-Key": key})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return repr(error), None
        status = "ok" if response.status == 200 else str(response.status)
        return status, response.getheader("x-model-version")

    def _grpc(self, x: float, key: str) -> tuple[str, str | None]:
        message = self._message.replace(struct.pack("<f", PLACE_OF_X), struct.pack("<f", x))
        try:
            _, call = self._call.with_call(message, timeout=10, metadata=[("x-user-key", key)])
            status = "ok"
        except grpc.RpcError as error:
            call, status = error, error.code().name
        found = dict(call.initial_metadata() or ()) | dict(call.trailing_metadata() or ())
        return status, found.get("x-model-version")


if __name__ == "__main__":
    sender = Sender(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), bytes.fromhex(sys.argv[5]))
    sender.answered.wait()
    print("answered", flush=True)
    sys.stdin.read()
    sender.stop()
    print(json.dumps(sender.results))
