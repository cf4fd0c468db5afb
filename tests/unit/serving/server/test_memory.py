"""What requests hold is counted before it is there, and given back."""

import gzip
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import predict_pb2, regression_pb2

from hilir.serving.server import heap
from hilir.serving.server.grpc.message_size import SMALL, parsed_size
from hilir.serving.server.inference.memory import Loan, MemoryBudget, OverBudget
from hilir.serving.server.rest.http_body import decode_body
from hilir.serving.server.rest.json.json_decode import decoded_size
from hilir.serving.server.status import Code
from hilir.serving.server.tensors.tensor_proto import from_proto

MIB = 1 << 20


def test_a_loan_is_given_back_once():
    budget = MemoryBudget(100)
    first, second = Loan(budget), Loan(budget)
    first.take(60)
    second.take(40)
    with pytest.raises(
        OverBudget, match=r"needs 1 bytes of memory, and all requests together may hold 100\. Try again"
    ):
        second.take(1)
    assert (budget.held, first.size, second.size) == (100, 60, 40)
    for loan in (first, first, second):
        loan.give_back()
    assert budget.held == 0
    with pytest.raises(OverBudget, match="raise --max-request-memory") as caught:
        first.take(101)
    assert (caught.value.code, budget.held) == (Code.RESOURCE_EXHAUSTED, 0)


def test_a_refused_body_is_not_kept_by_its_error():
    body = gzip.compress(bytes(64 * MIB))
    with pytest.raises(OverBudget) as caught:
        decode_body(body, b"gzip", 1 << 30, MemoryBudget(64 * MIB).take)
    frames, trace = [], caught.value.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    assert "_inflate_members" in [frame.f_code.co_name for frame in frames]
    kept = [value for frame in frames for value in frame.f_locals.values()]
    lists = [value for value in kept if isinstance(value, list) and value and isinstance(value[0], bytes)]
    assert sum(len(part) for parts in lists for part in parts) == 0


def test_threads_share_a_budget():
    budget = MemoryBudget(MIB)

    def work():
        for _ in range(20_000):
            budget.take(7)
            budget.give(7)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.held == 0


@pytest.mark.parametrize("dtype", [tf.float32, tf.int64, tf.string, tf.bfloat16, tf.complex64])
def test_one_value_for_a_whole_tensor_is_counted_before_it_is_filled(dtype):
    proto = predict_pb2.PredictRequest().inputs["x"]
    proto.dtype = dtype.as_datatype_enum
    proto.tensor_shape.dim.add(size=10_000_000_000)
    with pytest.raises(OverBudget):
        from_proto(proto, "x", MemoryBudget().take)
    proto.tensor_shape.dim[0].size = 1000
    assert from_proto(proto, "x", MemoryBudget().take).shape == (1000,)


def test_gzip_is_counted_while_it_is_inflated():
    taken = []

    def take(size):
        taken.append(size)
        if sum(taken) > 10 * MIB:
            raise OverBudget(Code.RESOURCE_EXHAUSTED, "")

    body = gzip.compress(bytes(200 * MIB))
    with pytest.raises(OverBudget):
        decode_body(body, b"gzip", 1 << 30, take)
    assert max(taken) <= 2 * MIB


@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 17])
def test_gzip_in_parts_is_the_same(size):
    plain = bytes(size - 3) + b"end"
    for level in (0, 1, 9):
        assert decode_body(gzip.compress(plain, level), b"gzip", size, MemoryBudget().take) == plain


def regression(count: int) -> bytes:
    request = regression_pb2.RegressionRequest()
    request.input.example_list.examples.extend([example_pb2.Example()] * count)
    return request.SerializeToString()


def test_a_message_of_many_small_parts_is_what_it_becomes():
    descriptor = regression_pb2.RegressionRequest.DESCRIPTOR
    for count in (50_000, 2_000_000):
        data = regression(count)
        assert 40 * count <= parsed_size(descriptor, data) <= 100 * count
    assert parsed_size(descriptor, regression(SMALL // 4)) == 0


def test_a_message_of_numbers_is_little_more_than_it_was():
    request = predict_pb2.PredictRequest()
    request.inputs["content"].tensor_content = bytes(10 * MIB)
    request.inputs["floats"].float_val.extend([1.0] * MIB)
    data = request.SerializeToString()
    assert 2 * len(data) <= parsed_size(request.DESCRIPTOR, data) <= 3 * len(data)


@pytest.mark.parametrize(
    "data", [b"\x0a" * 20_000, b"\xff" * 20_000, b"\x07" * 20_000, b"\x0a\xff\xff\x7f" + bytes(20_000)]
)
def test_what_is_no_message_does_not_hold_up_the_count(data):
    assert parsed_size(predict_pb2.PredictRequest.DESCRIPTOR, data) <= 64 * len(data)


def test_json_is_counted_by_its_values():
    body = b'{"instances": [' + b"[]," * 100_000 + b"1]}"
    assert 100_000 * 96 <= decoded_size(body) <= 100_000 * 160
    assert decoded_size(b'{"instances": [1, 2]}') == 0
    text = b'{"instances": ["' + b"x" * MIB + b'"]}'
    assert decoded_size(text) < 1.1 * MIB


def test_freed_memory_goes_back_once_enough_was_freed(monkeypatch):
    returned = threading.Semaphore(0)
    monkeypatch.setattr(heap, "_PAUSE", 0.0)
    monkeypatch.setattr(heap, "_trim", returned.release)
    budget = MemoryBudget(800)
    budget.take(99)
    budget.give(99)
    assert not returned.acquire(blocking=False)
    for _ in range(2):
        budget.take(1)
        budget.give(1)
    assert returned.acquire(timeout=30)


def test_memory_is_given_back_once_at_a_time(monkeypatch):
    begun, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(heap, "_PAUSE", 0.0)
    monkeypatch.setattr(heap, "_trim", lambda: (begun.set(), ended.wait(30)))
    returner = heap.Returner()
    assert returner.ask()
    assert begun.wait(30)
    assert not returner.ask()
    ended.set()


_GAPS = """
from pathlib import Path
from hilir.serving.server import heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

# Below the size from which glibc maps blocks by themselves, every second one is freed: the heap keeps its length.
blocks = [b"x" * 100_000 for _ in range(2000)]
full = resident()
del blocks[::2]
heap.return_memory()
print(full - resident())
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from Linux")
def test_gaps_in_the_heap_are_given_back():
    # A process of its own: in this one, other tests' gaps take a part of the blocks, and their threads allocate too.
    told = subprocess.run([sys.executable, "-c", _GAPS], capture_output=True, text=True, check=True, timeout=60)
    assert int(told.stdout) > 80_000_000
