"""What goes wrong on purpose: the next requests that fit are refused, dropped, or answered late."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

Kind = Literal["status", "drop before", "drop after", "slow operation", "failed operation"]


class ApiError(Exception):
    """A refusal as the API gives it."""

    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(message)
        self.code, self.status, self.message = code, status, message


def invalid(message: str) -> ApiError:
    return ApiError(400, "INVALID_ARGUMENT", message)


def not_found(name: str) -> ApiError:
    return ApiError(404, "NOT_FOUND", f"The resource {name} is not found.")


@dataclass
class Fault:
    """One fault: which requests, how often, and what happens to them.

    `drop before` closes the connection without carrying the request out, `drop after` carries it out first.
    `slow operation` lets the operation that the request starts be polled `polls` times before it is done.
    """

    request: str
    kind: Kind
    times: int = 1
    error: ApiError | None = None
    polls: int = 0

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and re.search(self.request, f"{method} {path}") is not None


@dataclass
class Faults:
    """The faults to come."""

    waiting: list[Fault] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def add(self, request: str, kind: Kind, times: int = 1, error: ApiError | None = None, polls: int = 0) -> None:
        self.waiting.append(Fault(request, kind, times, error, polls))

    def refuse(self, request: str, code: int, status: str, message: str, times: int = 1) -> None:
        self.add(request, "status", times, ApiError(code, status, message))

    def take(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.waiting:
                if fault.fits(method, path):
                    fault.times -= 1
                    return fault
        return None
