"""Calls that fail, and examples for requests."""

from __future__ import annotations

from typing import Any

import grpc
import pytest


def fails(call: Any, request: Any, code: grpc.StatusCode, message: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=10)
    assert caught.value.code() is code
    assert message in caught.value.details()


def examples(request: Any, *values: float, feature: str = "x") -> Any:
    for value in values:
        example = request.input.example_list.examples.add()
        example.features.feature[feature].float_list.value.append(value)
    return request
