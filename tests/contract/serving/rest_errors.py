"""What an error of the REST API looks like."""

from __future__ import annotations

from typing import Any


def error_of(response: Any) -> str:
    """Returns the message, once the answer is known to have nothing else."""
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    return str(body["error"])
