"""Sends REST and gRPC requests at a steady rate: `python -m … REST_URL GRPC_ADDRESS MODEL RATE`, JSON of all answers.

Every second request is gRPC. Users differ from request to request, and x is a normal number around 2, or 2 itself for
one of ten. It prints "answered" after the first answer, and stops when its standard input is closed.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
import numpy as np
from tensorflow_serving.apis import predict_pb2

from hilir.serving.server.tensors.tensor_proto import from_proto, to_proto
from tests.integration.serving.child_processes import loading

THREADS = 8
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def sending(rest: str, rpc: str, model: str, rate: int):
    """Sends from a process of its own while the block runs; yields a list that is filled at the end.

    An entry has `sent` (seconds of the epoch), `protocol`, `status` ("ok" or what went wrong) and `version`.
    """
    return loading("tests.integration.release.both_protocols", rest, rpc, model, str(rate))


@dataclass(frozen=True)
class Question:
    """A request: inputs by name, whose key its user has, and what it is about."""

    inputs: dict[str, np.ndarray]
    key: str
    about: Any = None


@dataclass(frozen=True)
class Answer:
    """What came back: "ok" or what went wrong, the version, the request's id, and the only output."""

    status: str
    version: str | None = None
    request_id: str | None = None
    output: Any = None


class Sender:
    """Sends requests that are due at their own times, whatever the answers take."""

    def __init__(self, rest: str, rpc: str, model: str, rate: int) -> None:
        self._place, self._model, self._rate = urlsplit(rest), model, rate
        self._channel = grpc.insecure_channel(rpc)
        self._call = self._channel.unary_unary(PREDICT)
        self._start, self._stopping = time.monotonic() + 0.2, threading.Event()
        self.answered, self.results = threading.Event(), []
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def ask(self, number: int, chance: random.Random) -> Question:
        """The question with this number."""
        del number
        x = 2.0 if chance.random() < 0.1 else round(chance.gauss(2.0, 1.0), 3)
        return Question({"x": np.array([[x]], np.float32)}, f"user-{chance.randrange(10**6)}")

    def hear(self, question: Question, answer: Answer, chance: random.Random) -> None:
        """What is done with an answer: nothing."""

    def told(self, word: str) -> None:
        """What is done when the other side says something: nothing."""

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        connection = http.client.HTTPConnection(self._place.hostname, self._place.port, timeout=10)
        chance = random.Random(number)
        while not self._stopping.is_set():
            time.sleep(max(0.0, self._start + number / self._rate - time.monotonic()))
            question, sent = self.ask(number, chance), time.time()
            protocol = "gRPC" if (number // THREADS) % 2 else "REST"
            answer = self._grpc(question) if protocol == "gRPC" else self._rest(connection, question)
            entry = {"sent": sent, "protocol": protocol, "status": answer.status, "version": answer.version}
            self.results.append(entry)
            self.hear(question, answer, chance)
            self.answered.set()
            number += THREADS

    def _rest(self, connection: http.client.HTTPConnection, question: Question) -> Answer:
        body = json.dumps({"inputs": {name: value.tolist() for name, value in question.inputs.items()}})
        path = f"/v1/models/{self._model}:predict"
        try:
            connection.request("POST", path, body, {"X-User-Key": question.key})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Answer(repr(error))
        told = response.getheader("x-model-version"), response.getheader("x-request-id")
        if response.status != 200:
            return Answer(str(response.status), *told)
        return Answer("ok", *told, json.loads(content)["outputs"])

    def _grpc(self, question: Question) -> Answer:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        for name, value in question.inputs.items():
            request.inputs[name].CopyFrom(to_proto(value))
        metadata, output = [("x-user-key", question.key)], None
        try:
            content, call = self._call.with_call(request.SerializeToString(), timeout=10, metadata=metadata)
            ((name, tensor),) = predict_pb2.PredictResponse.FromString(content).outputs.items()
            status, output = "ok", from_proto(tensor, name).tolist()
        except grpc.RpcError as error:
            call, status = error, error.code().name
        found = dict(call.initial_metadata() or ()) | dict(call.trailing_metadata() or ())
        return Answer(status, found.get("x-model-version"), found.get("x-request-id"), output)


def run(sender: Sender) -> None:
    """Prints what `loading` waits for, and all answers when there is nothing more to read."""
    sender.answered.wait()
    print("answered", flush=True)
    for line in sys.stdin:
        sender.told(line.strip())
    sender.stop()
    print(json.dumps(sender.results))


if __name__ == "__main__":
    run(Sender(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
