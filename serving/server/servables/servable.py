"""One loaded version of a model: its signatures, and a session that runs them."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from hilir.serving.server.servables.input_spec import InputSpec
from hilir.serving.server.servables.run_errors import Feed, explain_failure
from hilir.serving.server.servables.session_call import make_function
from hilir.serving.server.status import Code, StatusError, invalid_argument
from hilir.serving.server.tensors import dtypes

Outputs = list[np.ndarray]
"""What a run returns, in the order of its fetches."""
_MAX_CALLABLES = 64


@dataclass(frozen=True)
class Signature:
    """A SignatureDef, prepared: aliases, tensor names and dtypes at hand."""

    name: str
    definition: meta_graph_pb2.SignatureDef
    inputs: Mapping[str, InputSpec]
    outputs: tuple[str, ...]
    feeds: tuple[str, ...]
    fetches: Mapping[str, str]
    batchable: bool

    @classmethod
    def prepare(
        cls,
        name: str,
        definition: meta_graph_pb2.SignatureDef,
        takes_missing: bool = False,
        booleans: Mapping[str, tuple[str, str]] | None = None,
    ) -> Signature:
        """Read what requests need from a SignatureDef; `takes_missing` and `booleans` as `InputSpec` has them."""
        inputs = {
            alias: InputSpec(
                alias, info.dtype, takes_missing, len(info.tensor_shape.dim) > 1, (booleans or {}).get(alias)
            )
            for alias, info in sorted(definition.inputs.items())
        }
        return cls(
            name=name,
            definition=definition,
            inputs=inputs,
            outputs=tuple(sorted(definition.outputs)),
            feeds=tuple(definition.inputs[alias].name for alias in inputs),
            fetches={alias: definition.outputs[alias].name for alias in sorted(definition.outputs)},
            batchable=bool(inputs) and all(_has_batch(info) for info in definition.inputs.values()),
        )


def _has_batch(info: meta_graph_pb2.TensorInfo) -> bool:
    shape = info.tensor_shape
    return bool(shape.unknown_rank or (len(shape.dim) > 0 and shape.dim[0].size == -1))


@dataclass
class Run:
    """A prepared call of some feeds and fetches, and what it lately cost in seconds."""

    function: Callable[..., list[Any]]
    dtypes: tuple[int, ...]
    feeds: tuple[Feed, ...]
    cost: float = 1.0
    bounded: bool = True
    calls: int = 0

    def __call__(self, arrays: Sequence[np.ndarray]) -> Outputs:
        """Run the graph.

        Raises:
            StatusError: a dtype differs from the graph's, or a kernel refused.
        """
        for index, (array, wanted) in enumerate(zip(arrays, self.dtypes, strict=True)):
            given = dtypes.number_of(array)
            if given != wanted:
                raise invalid_argument(
                    f"Expects arg[{index}] to be {dtypes.name(wanted)} but {dtypes.name(given)} is provided"
                )
        start = time.perf_counter()
        try:
            # A scalar string comes as bytes.
            return [
                output
                if isinstance(output, np.ndarray)
                else np.asarray(output, object if type(output) is bytes else None)
                for output in self.function(*arrays)
            ]
        except tf.errors.OpError as error:
            raise explain_failure(Code(error.error_code), error.message or "", self.feeds, arrays) from None
        finally:
            spent = time.perf_counter() - start
            # The first calls prepare the graph; from then on a moving average decides.
            self.cost = spent if self.calls < 3 else 0.9 * self.cost + 0.1 * spent
            self.calls += 1


@dataclass
class Servable:
    """A loaded version. Requests hold it between `acquire` and `release`; `close` waits for them."""

    name: str
    version: int
    path: str
    session: Any
    signatures: Mapping[str, Signature]
    inter_op_pool: bool = False
    bounded: bool = True
    labels: tuple[str, ...] = ()
    _runs: OrderedDict[tuple[tuple[str, ...], tuple[str, ...]], Run] = field(default_factory=OrderedDict)
    _lock: threading.Condition = field(default_factory=threading.Condition)
    _held: int = 0
    _closing: bool = False

    def acquire(self) -> bool:
        """Hold the version; False if it is about to be unloaded."""
        with self._lock:
            if self._closing:
                return False
            self._held += 1
            return True

    def release(self) -> None:
        """Let go of the version."""
        with self._lock:
            self._held -= 1
            if self._held == 0 and self._closing:
                self._lock.notify_all()

    def prepare_run(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        """The call that feeds and fetches these tensors.

        Raises:
            StatusError: the graph has no such tensor.
        """
        key = (feeds, fetches)
        run = self._runs.get(key)
        if run is None:
            run = self._make_run(feeds, fetches)
            with self._lock:
                self._runs[key] = run
                if len(self._runs) > _MAX_CALLABLES:
                    self._runs.popitem(last=False)
        return run

    def _make_run(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        unique = tuple(dict.fromkeys(fetches))
        try:
            graph = self.session.graph
            wanted = tuple(graph.get_tensor_by_name(feed).dtype.as_datatype_enum for feed in feeds)
            function = make_function(self.session, feeds, unique, self.inter_op_pool)
        except tf.errors.OpError as error:
            raise StatusError(Code(error.error_code), error.message or "") from None
        except (KeyError, ValueError) as error:
            raise invalid_argument(f"Tensor not found in the graph: {error}") from None
        described = tuple(self._describe_feed(feed) for feed in feeds)
        if unique != fetches:
            order = [unique.index(fetch) for fetch in fetches]
            return Run(lambda *arrays: [function(*arrays)[i] for i in order], wanted, described, bounded=self.bounded)
        return Run(function, wanted, described, bounded=self.bounded)

    def _describe_feed(self, tensor: str) -> Feed:
        """The name and the shape that a signature has for a tensor."""
        for signature in self.signatures.values():
            for name, info in signature.definition.inputs.items():
                if info.name == tensor:
                    shape = info.tensor_shape
                    return name, None if shape.unknown_rank else tuple(size.size for size in shape.dim)
        return tensor, None

    def close(self) -> None:
        """Wait until no request holds the version, then free it."""
        with self._lock:
            self._closing = True
            while self._held:
                self._lock.wait()
        self._runs.clear()
        self.session.close()


def signature_map(servable: Servable) -> get_model_metadata_pb2.SignatureDefMap:
    """All signatures of a servable, as the metadata APIs return them."""
    result = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in servable.signatures.items():
        result.signature_def[name].CopyFrom(signature.definition)
    return result
