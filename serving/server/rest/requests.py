"""The body of a REST request to a plan, and the plan's outputs to the body of the response."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hilir.serving.server.inference.call import Hold, Prepared
from hilir.serving.server.inference.memory import Take
from hilir.serving.server.inference.signatures import (
    classify_tensors,
    find_examples_signature,
    find_predict_signature,
    plan_examples,
    plan_predict,
    read_classifications,
    read_regressions,
    regress_tensors,
)
from hilir.serving.server.rest.json.json_examples import decode_examples
from hilir.serving.server.rest.json.json_predict import decode_predict
from hilir.serving.server.rest.json.json_response import encode_classifications, encode_predictions, encode_regressions
from hilir.serving.server.rest.paths import Target
from hilir.serving.server.servables.input_spec import InputSpec
from hilir.serving.server.servables.servable import Outputs, Servable, Signature

Find = Callable[[], Servable]


def prepare(target: Target, body: bytes, check_method: bool, hold: Hold, take: Take) -> Prepared:
    """Decode a request; which error comes first is TensorFlow Serving's order.

    Args:
        target: the model and the action, `predict`, `classify` or `regress`.
        body: the request's body.
        check_method: signatures must be of the method that is called.
        hold: finds and holds the servable; called at the point where a missing one is noticed.
        take: counts what the body becomes, before it does.

    Raises:
        StatusError: with TensorFlow Serving's code and text.
    """

    def find() -> Servable:
        return hold(target.model, target.version, target.label)

    if target.action == "predict":
        return _prepare_predict(body, find, check_method, take)
    return _prepare_examples(target.action, body, find, check_method, take)


def _prepare_predict(body: bytes, find: Find, check_method: bool, take: Take) -> Prepared:
    found: list[tuple[Servable, Signature]] = []

    def find_inputs(name: str) -> dict[str, InputSpec]:
        servable = find()
        signature = find_predict_signature(servable, name, rest=True)
        found.append((servable, signature))
        return dict(signature.inputs)

    decoded = decode_predict(body, find_inputs, take)
    servable, signature = found[0]
    plan = plan_predict(servable, signature, decoded.inputs, check_method=check_method)

    def encode(outputs: Outputs) -> bytes:
        return encode_predictions(dict(zip(plan.outputs, outputs, strict=True)), decoded.format)

    return Prepared(plan, encode)


def _prepare_examples(action: str, body: bytes, find: Find, check_method: bool, take: Take) -> Prepared:
    decoded = decode_examples(body, take)
    servable = find()
    signature = find_examples_signature(servable, decoded.signature_name)
    tensors = classify_tensors if action == "classify" else regress_tensors
    feed, fetches = tensors(signature, check_method)
    plan = plan_examples(servable, signature.name, [feed], fetches, decoded.examples)

    def encode(outputs: Outputs) -> bytes:
        by_name: dict[str, np.ndarray] = dict(zip(fetches, outputs, strict=True))
        if action == "classify":
            return encode_classifications(read_classifications(signature, by_name, plan.examples))
        return encode_regressions(read_regressions(signature, by_name, plan.examples))

    return Prepared(plan, encode)
