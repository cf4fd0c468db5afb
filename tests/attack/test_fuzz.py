"""Looks for amplification: requests of few bytes, of every form, that would make the server hold many."""

import base64
import concurrent.futures
import gzip
import json
import os
import random
import time

import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, predict_pb2, regression_pb2

from tests.attack.test_memory import code, models, server  # noqa: F401 - fixtures
from tests.attack.watch import watching

pytestmark = pytest.mark.slow
SECONDS = float(os.environ.get("HILIR_FUZZ_SECONDS", "60"))
MOST_BYTES = 200_000
SERVICE = "/tensorflow.serving.PredictionService/"


class Forms:
    """Requests at random, each of at most MOST_BYTES on the wire."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def size(self) -> int:
        """A number of anything: mostly small, sometimes absurd."""
        return int(10 ** self.random.uniform(0, self.random.choice((2, 4, 7, 9, 18))))

    def value(self, depth: int = 0):
        """A JSON value."""
        kind = self.random.randrange(9 if depth < 4 else 6)
        if kind < 6:
            # Not more: writing a long document would stop this process, which also looks at /healthz.
            text = base64.b64encode(bytes(min(self.size(), 20_000 >> 4 * depth))).decode()
            return (None, True, 1e308, self.size(), text, {"b64": text})[kind]
        few = range(min(self.size(), (3000, 30, 4, 4)[depth]))
        if kind == 6:
            return {f"k{index}": self.value(depth + 1) for index in few}
        one = self.value(depth + 1)
        return [one for _ in few] if kind == 7 else [self.value(depth + 1) for _ in few]

    def rest(self) -> tuple[str, bytes, dict[str, str]]:
        """Path, body and headers."""
        model, verb = (
            self.random.choice(("half", "columns", "shapes")),
            self.random.choice(("predict", "classify", "regress")),
        )
        names = ("serving_default", "same", "strings", "regress_x_to_y", "classify_x_to_y", "nothing")
        body = {"signature_name": self.random.choice(names)}
        for key in self.random.sample(("instances", "inputs", "examples", "context"), self.random.randint(1, 2)):
            body[key] = self.value()
        data = json.dumps(body).encode()[:MOST_BYTES]
        if self.random.random() < 0.3:
            spaces = b" " * min(self.size(), 100_000_000)
            squeezed = gzip.compress(data[:1] + spaces + data[1:], 1)
            if len(squeezed) <= MOST_BYTES:
                return f"{model}:{verb}", squeezed, {"Content-Encoding": "gzip"}
        return f"{model}:{verb}", data, {}

    def grpc(self) -> tuple[str, bytes]:
        """Method and message."""
        kind = self.random.choice(("Predict", "Classify", "Regress", "MultiInference"))
        if kind == "Predict":
            request = predict_pb2.PredictRequest()
            request.model_spec.name, signature, inputs = self.random.choice(
                (
                    ("columns", "", [f"c{i}" for i in range(14)]),
                    ("shapes", "same", ["x"]),
                    ("shapes", "strings", ["text"]),
                )
            )
            request.model_spec.signature_name = signature
            for name in inputs:
                self._fill(request.inputs[name])
            return kind, request.SerializeToString()
        tasks = {"Regress": "regress_x_to_y", "Classify": "classify_x_to_y"}
        if kind == "MultiInference":
            request = inference_pb2.MultiInferenceRequest()
            # Mostly what is allowed, each signature once; now and then many tasks over the same examples.
            wanted = [
                kind for kind in tasks for _ in range(1 if self.random.random() < 0.7 else min(self.size(), 2000))
            ]
            for task in wanted:
                added = request.tasks.add(method_name=f"tensorflow/serving/{task.lower()}")
                added.model_spec.name, added.model_spec.signature_name = "half", tasks[task]
        else:
            request = (
                regression_pb2.RegressionRequest() if kind == "Regress" else classification_pb2.ClassificationRequest()
            )
            request.model_spec.name, request.model_spec.signature_name = "half", tasks[kind]
        both = request.input.example_list_with_context
        both.context.features.feature["x"].float_list.value.append(1.0)
        both.context.features.feature["note"].bytes_list.value.append(bytes(min(self.size(), 100_000)))
        for _ in range(min(self.size(), 20_000)):
            both.examples.add()
        return kind, request.SerializeToString()

    def _fill(self, tensor) -> None:
        tensor.dtype = self.random.choice((tf.int64, tf.float32, tf.string, tf.bool)).as_datatype_enum
        for _ in range(self.random.randint(0, 4)):
            tensor.tensor_shape.dim.add(size=min(self.size(), 2**62))
        values = min(self.size(), 500)
        tensor.int64_val.extend([7] * values)
        tensor.float_val.extend([1.0] * values)
        tensor.string_val.extend([b"x"] * values)


@pytest.mark.timeout(SECONDS + 300)
def test_no_request_of_few_bytes_makes_the_server_hold_many(server):  # noqa: F811 - the fixture
    seed = int(os.environ.get("HILIR_FUZZ_SEED", time.time_ns() % 10**6))
    forms, until, sent, worst = Forms(seed), time.monotonic() + SECONDS, 0, (0.0, "")
    with (
        watching(server) as seen,
        server.channel() as channel,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):

        def over_rest(form):
            path, body, headers = form
            return server.session.post(f"{server.base}/v1/models/{path}", data=body, headers=headers, timeout=60)

        def over_grpc(form):
            return code(channel.unary_unary(SERVICE + form[0]), form[1])

        while time.monotonic() < until:
            burst = [forms.rest() for _ in range(4)], [forms.grpc() for _ in range(4)]
            before = seen.above_idle
            answers = [pool.submit(over_rest, form) for form in burst[0]]
            answers += [pool.submit(over_grpc, form) for form in burst[1]]
            for answer in answers:
                answer.result()
            sent += len(answers)
            size = sum(len(form[1]) for form in (*burst[0], *burst[1]))
            worst = max(worst, ((seen.above_idle - before) / size, f"burst {sent // 8} of seed {seed}"))
    seen.check(f"{sent} requests at random in {SECONDS:.0f} s, at most {worst[0]:.0f} bytes for one ({worst[1]})")
    assert sent >= 8
