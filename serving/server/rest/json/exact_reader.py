"""An exact, iterative JSON reader with RapidJSON's rules, error texts and offsets.

TensorFlow Serving parses with the flags Iterative, NanAndInf and StopWhenDone: no depth limit, `NaN`, `Inf`
and `Infinity` are numbers, what follows the top value is ignored, the first of several equal keys counts.
This reader is slow; `json_decode` uses it only where the fast readers cannot answer.
"""

from __future__ import annotations

import re
from typing import Any

from hilir.serving.server.status import Code, StatusError, invalid_argument

_SPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(rb"[0-9]+")
_EXPONENT = re.compile(rb"[+-]?[0-9]+")
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
_ESCAPES = {
    0x22: b'"',
    0x2F: b"/",
    0x5C: b"\\",
    0x62: b"\b",
    0x66: b"\f",
    0x6E: b"\n",
    0x72: b"\r",
    0x74: b"\t",
}
_MISSING_COMMA_ARRAY = "Missing a comma or ] after an array element."
_MISSING_COMMA_OBJECT = "Missing a comma or } after an object member."
_MISSING_NAME = "Missing a name for object member."


class ParseError(Exception):
    """The text is not JSON: RapidJSON's message, and the offset in bytes."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset

    def status(self) -> StatusError:
        """The error as the client reads it."""
        return invalid_argument(f"JSON Parse error: {self.message} at offset: {self.offset}")


def parse(data: bytes, max_values: int) -> Any:
    """Read the first JSON value of `data`.

    Strings come back as `str` with undecodable bytes as surrogate escapes; integers beyond 64 bits as floats.

    Raises:
        ParseError: the text is not JSON.
        StatusError: it has more than `max_values` values, which would keep a thread busy for too long.
    """
    return _Reader(data, max_values).read()


class _Reader:
    def __init__(self, data: bytes, max_values: int) -> None:
        self.data = data
        self.pos = 3 if data.startswith(b"\xef\xbb\xbf") else 0
        self.left = max_values

    def peek(self) -> int:
        match = _SPACE.match(self.data, self.pos)
        if match is not None:
            self.pos = match.end()
        return self.data[self.pos] if self.pos < len(self.data) else -1

    def read(self) -> Any:
        if self.peek() == -1:
            raise ParseError("The document is empty.", self.pos)
        stack: list[tuple[Any, str | None]] = []
        while True:
            value, opened = self._value(stack)
            if opened:
                continue
            # A value is complete: close as many containers as end here.
            while stack:
                container, key = stack[-1]
                _add(container, key, value)
                if not self._next(stack):
                    value = stack.pop()[0]
                    continue
                break
            else:
                return value

    def _value(self, stack: list[tuple[Any, str | None]]) -> tuple[Any, bool]:
        self.left -= 1
        if self.left < 0:
            raise StatusError(Code.RESOURCE_EXHAUSTED, "JSON has too many values for the exact reader")
        char = self.peek()
        if char == 0x5B:
            self.pos += 1
            if self.peek() == 0x5D:
                self.pos += 1
                return [], False
            stack.append(([], None))
            return None, True
        if char == 0x7B:
            self.pos += 1
            if self.peek() == 0x7D:
                self.pos += 1
                return {}, False
            stack.append(({}, self._key()))
            return None, True
        return self._scalar(char), False

    def _next(self, stack: list[tuple[Any, str | None]]) -> bool:
        """After an element: True if another follows, False if the container is closed."""
        container, _ = stack[-1]
        char = self.peek()
        if isinstance(container, list):
            if char == 0x2C:
                self.pos += 1
                return True
            if char == 0x5D:
                self.pos += 1
                return False
            raise ParseError(_MISSING_COMMA_ARRAY, self.pos)
        if char == 0x2C:
            self.pos += 1
            stack[-1] = (container, self._key())
            return True
        if char == 0x7D:
            self.pos += 1
            return False
        raise ParseError(_MISSING_COMMA_OBJECT, self.pos)

    def _key(self) -> str:
        if self.peek() != 0x22:
            raise ParseError(_MISSING_NAME, self.pos)
        key = self._string()
        if self.peek() != 0x3A:
            raise ParseError("Missing a colon after a name of object member.", self.pos)
        self.pos += 1
        return key

    def _scalar(self, char: int) -> Any:
        if char == 0x22:
            return self._string()
        for text, value in ((b"true", True), (b"false", False), (b"null", None)):
            if char == text[0]:
                return self._literal(text, value)
        return self._number()

    def _literal(self, text: bytes, value: Any) -> Any:
        self._consume(text)
        return value

    def _consume(self, text: bytes) -> None:
        """Take `text`, or fail behind the bytes that agreed, as RapidJSON's Consume chain does."""
        for byte in text:
            if self.pos >= len(self.data) or self.data[self.pos] != byte:
                raise ParseError("Invalid value.", self.pos)
            self.pos += 1

    def _number(self) -> int | float:
        start = self.pos
        match = _INTEGER.match(self.data, start)
        if match is None:
            return self._not_finite()
        end = match.end()
        whole = True
        if self.data[end : end + 1] == b".":
            fraction = _FRACTION.match(self.data, end + 1)
            if fraction is None:
                raise ParseError("Miss fraction part in number.", end + 1)
            end, whole = fraction.end(), False
        if self.data[end : end + 1] in (b"e", b"E"):
            exponent = _EXPONENT.match(self.data, end + 1)
            if exponent is None:
                sign = self.data[end + 1 : end + 2] in (b"+", b"-")
                raise ParseError("Miss exponent in number.", end + 1 + sign)
            end, whole = exponent.end(), False
        self.pos = end
        return self._convert(start, end, whole)

    def _convert(self, start: int, end: int, whole: bool) -> int | float:
        text = self.data[start:end]
        if whole and len(text) <= 20:
            number = int(text)
            if -(2**63) <= number < 2**64:
                return number
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ParseError("Number too big to be stored in double.", start)
        return value

    def _not_finite(self) -> float:
        negative = self.data[self.pos : self.pos + 1] == b"-"
        self.pos += negative
        if self.data[self.pos : self.pos + 1] == b"N":
            self._consume(b"NaN")
            return float("nan")
        if self.data[self.pos : self.pos + 1] != b"I":
            raise ParseError("Invalid value.", self.pos)
        self._consume(b"Inf")
        if self.data[self.pos : self.pos + 1] == b"i":
            self._consume(b"inity")
        return float("-inf") if negative else float("inf")

    def _string(self) -> str:
        self.pos += 1
        parts: list[bytes] = []
        while True:
            match = _PLAIN.match(self.data, self.pos)
            if match is not None:
                parts.append(match.group())
                self.pos = match.end()
            char = self.data[self.pos] if self.pos < len(self.data) else 0
            if char == 0x22:
                self.pos += 1
                return b"".join(parts).decode("utf-8", "surrogateescape")
            if char == 0x5C:
                parts.append(self._escape())
            elif char == 0:
                raise ParseError("Missing a closing quotation mark in string.", self.pos)
            else:
                raise ParseError("Invalid encoding in string.", self.pos)

    def _escape(self) -> bytes:
        start = self.pos
        char = self.data[start + 1] if start + 1 < len(self.data) else 0
        if char in _ESCAPES:
            self.pos = start + 2
            return _ESCAPES[char]
        if char != 0x75:
            raise ParseError("Invalid escape character in string.", start)
        self.pos = start + 2
        point = self._hex(start)
        if 0xD800 <= point <= 0xDFFF:
            if point >= 0xDC00 or self.data[self.pos : self.pos + 2] != b"\\u":
                raise ParseError("The surrogate pair in string is invalid.", start)
            self.pos += 2
            low = self._hex(start)
            if not 0xDC00 <= low <= 0xDFFF:
                raise ParseError("The surrogate pair in string is invalid.", start)
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00)
        return chr(point).encode()

    def _hex(self, start: int) -> int:
        match = _HEX.match(self.data, self.pos)
        if match is None:
            raise ParseError("Incorrect hex digit after \\u escape in string.", start)
        self.pos = match.end()
        return int(match.group(), 16)


def _add(container: Any, key: str | None, value: Any) -> None:
    if key is None:
        container.append(value)
    else:
        container.setdefault(key, value)
