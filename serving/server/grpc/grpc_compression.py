"""Messages that clients compressed, inflated here and not by grpcio.

grpcio would inflate a message before anybody is asked, for as many calls at once as have one. Told not to
(`grpc.per_message_decompression`), it hands over the bytes as they came, without saying which coding they have. Their
first byte does: none of the requests of this server begins with one that gzip or zlib begin with.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial

from hilir.serving.server.grpc.grpc_call import CallContext, Method, Stream
from hilir.serving.server.inference.call import Answer
from hilir.serving.server.inference.memory import Loan, MemoryBudget
from hilir.serving.server.inflate import GZIP_OR_ZLIB, POOL, SMALL, SMALL_RESULT, NotInflatable, TooLarge, inflate
from hilir.serving.server.status import Code, StatusError

OPTION = ("grpc.per_message_decompression", 0)
_GZIP_START = b"\x1f\x8b"
# Of a window of 32 KiB. In protobuf it would begin field 15, which no request has; 0x1f begins nothing.
_ZLIB_START = 0x78


class Inflating:
    """Lets methods take compressed messages.

    Args:
        budget: what requests may hold, which counts what messages become.
        limit: bytes of the largest message, inflated.
    """

    def __init__(self, budget: MemoryBudget, limit: int) -> None:
        self._budget = budget
        self._limit = limit

    def methods(self, methods: Mapping[str, Method]) -> dict[str, Method]:
        """The same methods, for messages that may be compressed."""
        return {name: partial(self._run, method) for name, method in methods.items()}

    def streams(self, streams: Mapping[str, Stream]) -> dict[str, Stream]:
        """The same for methods that answer with many messages."""
        return {name: partial(self._run_stream, stream) for name, stream in streams.items()}

    def _run(self, method: Method, data: bytes, context: CallContext) -> Answer | asyncio.Future[Answer]:
        if not _is_compressed(data):
            return method(data, context)  # type: ignore[return-value]
        return asyncio.ensure_future(self._run_compressed(method, data, context))

    async def _run_compressed(self, method: Method, data: bytes, context: CallContext) -> Answer:
        outcome = method(await self._inflated(data), context)
        return outcome if isinstance(outcome, Answer) else await outcome

    async def _run_stream(self, stream: Stream, data: bytes, context: CallContext) -> AsyncIterator[bytes]:
        async for response in stream(await self._inflated(data) if _is_compressed(data) else data, context):
            yield response

    async def _inflated(self, data: bytes) -> bytes:
        """What a message becomes: what is small at once, anything else on a thread.

        Raises:
            StatusError: it is damaged, or becomes more than it may.
        """
        loan = Loan(self._budget)
        if len(data) <= SMALL:
            try:
                return inflate(data, GZIP_OR_ZLIB, min(SMALL_RESULT, self._limit), loan.take)
            except NotInflatable as error:
                raise _damaged(error) from None
            except TooLarge:
                pass
            finally:
                loan.give_back()
        loop = asyncio.get_running_loop()
        inflating = loop.run_in_executor(POOL, inflate, data, GZIP_OR_ZLIB, self._limit, loan.take)
        # When the thread is done, whoever waits for it still: from then on the method counts what it was given.
        inflating.add_done_callback(lambda _: loan.give_back())
        try:
            return await asyncio.shield(inflating)
        except NotInflatable as error:
            raise _damaged(error) from None
        except TooLarge as error:
            text = f"The inflated message {error}. Send a smaller request, or raise --max-request-bytes"
            raise StatusError(Code.RESOURCE_EXHAUSTED, text) from None


def _is_compressed(data: bytes) -> bool:
    if data[:2] == _GZIP_START:
        return True
    return len(data) > 1 and data[0] == _ZLIB_START and int.from_bytes(data[:2]) % 31 == 0


def _damaged(error: NotInflatable) -> StatusError:
    """INTERNAL, as gRPC's own text on compression asks for."""
    return StatusError(Code.INTERNAL, f"The compressed message {error}")
