"""A request's body is inflated when the request's turn comes: what is small at once, anything else on a thread."""

from __future__ import annotations

import asyncio

from hilir.serving.server.inference.memory import Loan, OverBudget
from hilir.serving.server.inflate import POOL, SMALL, SMALL_RESULT
from hilir.serving.server.rest.http_body import BodyError, decode_body
from hilir.serving.server.rest.http_message import Request, Respond, error_json
from hilir.serving.server.rest.http_shared import Shared


def decode_request(shared: Shared, request: Request, loan: Loan, respond: Respond) -> None:
    """Undo the content codings of a request and hand it on, now or later.

    Args:
        shared: the handler and the limits.
        request: its body is replaced.
        loan: counts what the body becomes.
        respond: gets the answer, of the handler or to a body that cannot be decoded.
    """
    small = min(SMALL_RESULT, shared.limits.max_body)
    if len(request.body) <= SMALL:
        try:
            request.body = _decode(request, loan, small)
        except BodyError as error:
            if error.status != 413 or small == shared.limits.max_body:
                respond(error_json(error.status, str(error)))
                return
        except OverBudget as error:
            respond(error_json(503, error.message))
            return
        else:
            shared.handler(request, respond)
            return
    decoding = asyncio.get_running_loop().run_in_executor(POOL, _decode, request, loan, shared.limits.max_body)
    decoding.add_done_callback(lambda done: _hand_on(shared, request, respond, done))


def _hand_on(shared: Shared, request: Request, respond: Respond, decoded: asyncio.Future[bytes]) -> None:
    try:
        request.body = decoded.result()
    except BodyError as error:
        respond(error_json(error.status, str(error)))
    except OverBudget as error:
        respond(error_json(503, error.message))
    except asyncio.CancelledError:
        respond(error_json(503, "The server is stopping"))
    else:
        shared.handler(request, respond)


def _decode(request: Request, loan: Loan, limit: int) -> bytes:
    before = loan.size
    try:
        body = decode_body(request.body, request.headers[b"content-encoding"], limit, loan.take)
    except BaseException:
        loan.give(loan.size - before)
        raise
    # The parts are joined by now.
    loan.give(loan.size - len(body))
    return body
