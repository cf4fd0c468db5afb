"""A fuzzer for amplification: what a request becomes in memory is never much more than what was counted first.

`HILIR_FUZZ_SECONDS=600` runs it for ten minutes; a few seconds are enough for what is usual.
"""

import os
import random
import time
import tracemalloc

import pytest
from tensorflow_serving.apis import predict_pb2

from hilir.serving.server.inference.memory import Loan, MemoryBudget
from hilir.serving.server.rest.json.json_examples import decode_examples
from hilir.serving.server.rest.json.json_predict import decode_predict
from hilir.serving.server.servables.input_spec import InputSpec
from hilir.serving.server.status import StatusError
from hilir.serving.server.tensors import dtypes
from hilir.serving.server.tensors.tensor_proto import from_proto

SECONDS = float(os.environ.get("HILIR_FUZZ_SECONDS", "2"))
# What is kept anyway: parsers, caches, and the requests that are too small to be counted.
FREE = 2 << 20
ATOMS = [
    "0",
    "1.5",
    "1e300",
    '"a"',
    '"abcdefgh"',
    "[]",
    "{}",
    "[[]]",
    "[1,2]",
    '{"x":1}',
    '{"b64":"YQ=="}',
    "true",
    "null",
]
SPECS = [
    {"x": InputSpec("x", dtype, missing)}
    for dtype in (dtypes.FLOAT, dtypes.INT64, dtypes.STRING, dtypes.BOOL)
    for missing in (False, True)
]


def predict_body(dice: random.Random) -> bytes:
    atoms = dice.choices(ATOMS, k=dice.choice((1, 1, 2, 3)))
    count = dice.randrange(2_000, 10_000) // len(atoms)
    key = dice.choice(("instances", "inputs", "other"))
    return f'{{"{key}": [{",".join(atoms * count)}]}}'.encode()


def examples_body(dice: random.Random) -> bytes:
    context = "x" * dice.choice((0, 10, 1_000, 5_000))
    example = dice.choice(("{}", '{"a": 1}', '{"a": "b", "c": [1.5, 2]}'))
    examples = ",".join([example] * dice.randrange(1, 2_000))
    return f'{{"context": {{"c": "{context}"}}, "examples": [{examples}]}}'.encode()


def check(what: str, size: int, decode) -> None:
    """Decode, and compare the peak of memory with the request's size and what it was counted for."""
    loan = Loan(MemoryBudget(1 << 40))
    tracemalloc.start()
    try:
        decode(loan.take)
    except StatusError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= 1.2 * (size + loan.size) + FREE, f"{what}: {size} bytes, counted {loan.size}, became {peak}"


def runs():
    """Seeds, until the time is over; at least 10."""
    end, seed = time.monotonic() + SECONDS, 0
    while seed < 10 or time.monotonic() < end:
        yield seed, random.Random(seed)
        seed += 1


@pytest.mark.parametrize("kind", ["predict", "examples"])
def test_json(kind):
    for seed, dice in runs():
        specs = dice.choice(SPECS)
        if kind == "predict":
            body = predict_body(dice)
            check(f"predict {seed}", len(body), lambda take, b=body, s=specs: decode_predict(b, lambda _: s, take))
        else:
            body = examples_body(dice)
            check(f"examples {seed}", len(body), lambda take, b=body: decode_examples(b, take))


def test_tensors():
    for seed, dice in runs():
        proto = predict_pb2.PredictRequest().inputs["x"]
        proto.dtype = dice.choice(
            (dtypes.FLOAT, dtypes.INT64, dtypes.STRING, dtypes.BOOL, dtypes.HALF, dtypes.COMPLEX64)
        )
        for _ in range(dice.randrange(1, 4)):
            proto.tensor_shape.dim.add(size=dice.choice((0, 1, 7, 50, 100)))
        check(f"tensor {seed}", proto.ByteSize(), lambda take, p=proto: from_proto(p, "x", take))
